"""Spellings of models, networks and forcings met in δMG model folders, and what each means."""

from __future__ import annotations

import re
from typing import Final

#: The network each physical model is trained with: one output for all parameters, or dynamic and static ones apart.
NETWORKS: Final = {
    "Hbv": "LstmModel",
    "Hbv_1_1p": "LstmModel",
    "Hbv_2": "LstmMlpModel",
    "Hbv_2_hourly": "LstmMlpModel",
    "Hbv_2_1_hourly": "LstmMlpModel",
}

#: The model that is two coupled ones, and what its halves may be, with the network of each.
MULTI_TIMESCALE: Final = "Hbv_2_mts"
DAILY_NETWORKS: Final = {"Hbv_2": "LstmMlpModel"}
HOURLY_NETWORKS: Final = {"Hbv_2_hourly": "LstmMlp2Model", "Hbv_2_1_hourly": "LstmMlp2Model"}

#: Forcings in the order of the model's inputs: precipitation, temperature, potential evapotranspiration.
FORCING_SPELLINGS: Final = (("P", "prcp"), ("T", "Temp", "tmean"), ("PET",))


def _reduced(name: str) -> str:
    """Letters and digits only, lower case, without the ``d`` for "differentiable"."""
    return re.sub(r"[^a-z0-9]", "", name.lower()).removeprefix("d")


_PHYSICS: Final = {
    **{_reduced(name): name for name in NETWORKS},
    "hbv10": "Hbv",
    "hbv20": "Hbv_2",
    "hbv20hourly": "Hbv_2_hourly",
}
_MULTI_TIMESCALE: Final = {"hbv2mts", "hbv20mts"}
_NETWORKS: Final = {
    "lstmmodel": "LstmModel",
    "cudnnlstmmodel": "LstmModel",
    "lstmmlpmodel": "LstmMlpModel",
    "lstmmlp2model": "LstmMlp2Model",
}


def physics_key(name: str) -> str | None:
    """Name of the member of the HBV family that a spelling such as ``dHBV_2_0`` stands for, or None."""
    return _PHYSICS.get(_reduced(name))


def is_multi_timescale(name: str) -> bool:
    """Whether a name is a spelling of :data:`MULTI_TIMESCALE`."""
    return _reduced(name) in _MULTI_TIMESCALE


def model_key(name: str) -> str | None:
    """Return what :func:`physics_key` gives, or :data:`MULTI_TIMESCALE`."""
    return MULTI_TIMESCALE if is_multi_timescale(name) else physics_key(name)


def network_key(name: str) -> str | None:
    """Network that a spelling such as ``CudnnLstmModel`` stands for, ``LstmModel``, ``LstmMlpModel`` or ``LstmMlp2Model``, or None."""
    return _NETWORKS.get(_reduced(name))


def forcing_index(name: str) -> int | None:
    """Return 0 for a spelling of precipitation (in any case), 1 of temperature, 2 of potential evapotranspiration, else None."""
    for index, spellings in enumerate(FORCING_SPELLINGS):
        if name.lower() in (spelling.lower() for spelling in spellings):
            return index
    return None
