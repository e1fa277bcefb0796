"""The HBV family: processes as functions of their symbols, and the members strung together from them, in an order or as rates."""

from dmg_core.models.hbv.members import Hbv, Hbv11p, Hbv20, Hbv20Hourly, Hbv21Hourly
from dmg_core.models.hbv.rates import HbvImplicit, HbvImplicitCapillary, HbvImplicitEmptied, HbvImplicitEmptiedCapillary

__all__ = [
    "Hbv",
    "Hbv11p",
    "Hbv20",
    "Hbv20Hourly",
    "Hbv21Hourly",
    "HbvImplicit",
    "HbvImplicitCapillary",
    "HbvImplicitEmptied",
    "HbvImplicitEmptiedCapillary",
]
