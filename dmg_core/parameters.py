"""Tables of HBV parameters: name, range, unit and meaning, in the order of the network's outputs.

The ranges are those of the published models (Feng et al. 2022; Song et al. 2024, 2025; Yang et al. 2026). A network gives each parameter
as a number in [0, 1]; :meth:`Parameter.scale` turns it into the physical value.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from dmg_core.errors import ConfigError


@dataclass(frozen=True)
class Parameter:
    """One HBV parameter.

    Parameters
    ----------
    name : str
        δMG's name, such as ``parBETA``.
    low, high : float
        Range in ``unit``.
    unit : str
        Unit; rates are per day in every model, the hourly ones included.
    meaning : str
        What it does, in a few words.
    """

    name: str
    low: float
    high: float
    unit: str
    meaning: str

    @property
    def symbol(self) -> str:
        """Name as it stands in the equations: without the leading ``par``."""
        return self.name.removeprefix("par")

    def scale(self, fraction: Any) -> Any:
        """Turn network outputs in [0, 1], a number, an array or a tensor, into physical values of the same kind."""
        return self.low + fraction * (self.high - self.low)


BETA = Parameter("parBETA", 1.0, 6.0, "1", "shape of the recharge curve")
FC = Parameter("parFC", 50.0, 1000.0, "mm", "field capacity, the largest soil moisture")
K0 = Parameter("parK0", 0.05, 0.9, "1/d", "recession of near-surface flow")
K1 = Parameter("parK1", 0.01, 0.5, "1/d", "recession of interflow")
K2 = Parameter("parK2", 0.001, 0.2, "1/d", "recession of baseflow")
LP = Parameter("parLP", 0.2, 1.0, "1", "share of field capacity above which evapotranspiration is potential")
PERC = Parameter("parPERC", 0.0, 10.0, "mm/d", "largest percolation from the upper to the lower zone")
UZL = Parameter("parUZL", 0.0, 100.0, "mm", "upper-zone storage above which near-surface flow starts")
TT = Parameter("parTT", -2.5, 2.5, "degC", "temperature that divides snow from rain")
CFMAX = Parameter("parCFMAX", 0.5, 10.0, "mm/degC/d", "degree-day factor of snow melt")
CFR = Parameter("parCFR", 0.0, 0.1, "1", "refreezing, as a share of the degree-day factor")
CWH = Parameter("parCWH", 0.0, 0.2, "1", "meltwater the snowpack holds, as a share of its ice")
BETAET = Parameter("parBETAET", 0.3, 5.0, "1", "shape of the evapotranspiration curve")
C = Parameter("parC", 0.0, 1.0, "1/d", "capillary rise from the lower zone into dry soil")
RT = Parameter("parRT", 0.0, 20.0, "mm/d", "largest regional groundwater exchange")
AC = Parameter("parAC", 0.0, 2500.0, "km2", "upstream area below which groundwater is lost to the region")
F0 = Parameter("parF0", 120.0, 2880.0, "mm/d", "infiltration capacity of dry soil")
FMIN = Parameter("parFMIN", 0.0, 1.0, "1", "infiltration capacity of wet soil, as a share of that of dry soil")
ALPHA = Parameter("parALPHA", 0.5, 5.0, "1", "shape of the decline of infiltration capacity with wetness")
FAST_K0 = Parameter("parK0", 0.05, 12.0, K0.unit, K0.meaning)
AREA_ALPHA = Parameter("parALPHA", 0.5, 1.0, "1", "shape of the distribution of infiltration capacity over the catchment")
KS = Parameter("parKS", 0.05, 10.0, "1/d", "recession of infiltration excess")

_HBV_10 = (BETA, FC, K0, K1, K2, LP, PERC, UZL, TT, CFMAX, CFR, CWH)
_HBV_11P = (*_HBV_10, BETAET, C)
_HBV_20 = (*_HBV_11P, RT, AC)
_HBV_21 = (*(FAST_K0 if parameter is K0 else parameter for parameter in _HBV_20), F0, AREA_ALPHA, KS)


@dataclass(frozen=True)
class Variant:
    """A member of the δHBV family: its parameters, its time step and its unit hydrograph.

    Parameters
    ----------
    name : str
        δMG's name, such as ``Hbv_2``.
    parameters : tuple of Parameter
        In the order of the network's outputs.
    steps_per_day : int
        1 for the daily models, 24 for the hourly ones.
    route_a, route_b : Parameter
        Shape and time scale of the gamma unit hydrograph before their offsets (see :mod:`dmg_core.physics.routing`).
    hydrograph_steps : int
        Length of the unit hydrograph in steps.
    only_when_dynamic : Parameter, optional
        A parameter that exists only when it is listed as dynamic (parBETAET in HBV 1.0).
    """

    name: str
    parameters: tuple[Parameter, ...]
    steps_per_day: int = 1
    route_a: Parameter = Parameter("route_a", 0.0, 2.9, "1", "shape of the unit hydrograph")
    route_b: Parameter = Parameter("route_b", 0.0, 6.5, "d", "time scale of the unit hydrograph")
    hydrograph_steps: int = 15
    only_when_dynamic: Parameter | None = None

    def parameters_for(self, dynamic: Iterable[str]) -> tuple[Parameter, ...]:
        """Parameters of a model whose ``dynamic`` ones vary in time, in table order."""
        if self.only_when_dynamic is not None and self.only_when_dynamic.name in dynamic:
            return (*self.parameters, self.only_when_dynamic)
        return self.parameters

    def split(self, dynamic: Iterable[str]) -> tuple[tuple[Parameter, ...], tuple[Parameter, ...]]:
        """Divide the parameters into dynamic and static ones, both in table order whatever the order of ``dynamic``.

        Raises
        ------
        ConfigError
            If a name in ``dynamic`` is no parameter of this variant, or stands there twice.
        """
        names = list(dynamic)
        parameters = self.parameters_for(names)
        known = [parameter.name for parameter in parameters]
        for name in names:
            if name not in known:
                raise ConfigError(f"{self.name}: dynamic parameter {name!r} is not one of {', '.join(known)}")
            if names.count(name) > 1:
                raise ConfigError(f"{self.name}: dynamic parameter {name!r} is listed twice")
        return (
            tuple(parameter for parameter in parameters if parameter.name in names),
            tuple(parameter for parameter in parameters if parameter.name not in names),
        )


HBV_10 = Variant("Hbv", _HBV_10, only_when_dynamic=BETAET)
HBV_11P = Variant("Hbv_1_1p", _HBV_11P)
HBV_20 = Variant("Hbv_2", _HBV_20)
HBV_20_HOURLY = Variant(
    "Hbv_2_hourly",
    (*_HBV_20, F0, FMIN, ALPHA),
    steps_per_day=24,
    route_a=Parameter("route_a", 0.0, 5.0, "1", "shape of the unit hydrograph"),
    route_b=Parameter("route_b", 0.0, 12.0, "h", "time scale of the unit hydrograph"),
    hydrograph_steps=72,
)
HBV_21_HOURLY = replace(HBV_20_HOURLY, name="Hbv_2_1_hourly", parameters=_HBV_21)

#: All variants by δMG's name.
VARIANTS = {variant.name: variant for variant in (HBV_10, HBV_11P, HBV_20, HBV_20_HOURLY, HBV_21_HOURLY)}
