"""Spellings of models, networks and forcings met in δMG model folders, and what each means."""

from __future__ import annotations

import re
from typing import Final

from dmg_core.parameters import VARIANTS

#: The network each physical model is trained with: one output for all parameters, or dynamic and static ones apart.
NETWORKS: Final = {
    "Hbv": "LstmModel",
    "Hbv_1_1p": "LstmModel",
    "Hbv_2": "LstmMlpModel",
    "Hbv_2_hourly": "LstmMlpModel",
    "Hbv_2_1_hourly": "LstmMlpModel",
}

#: δMG models that exist but cannot be read yet, reduced by :func:`_reduced`.
_UNSUPPORTED_PHYSICS: Final = {"hbv2mts", "hbv20mts"}
_UNSUPPORTED_NETWORKS: Final = {"stacklstmmlpmodel", "lstmmlp2model"}

#: Forcings in the order of the model's inputs: precipitation, temperature, potential evapotranspiration.
FORCING_SPELLINGS: Final = (("P", "prcp"), ("T", "Temp", "tmean"), ("PET",))


def _reduced(name: str) -> str:
    """Letters and digits only, lower case, without the ``d`` for "differentiable"."""
    return re.sub(r"[^a-z0-9]", "", name.lower()).removeprefix("d")


_PHYSICS: Final = {
    **{_reduced(name): name for name in VARIANTS},
    "hbv10": "Hbv",
    "hbv20": "Hbv_2",
    "hbv20hourly": "Hbv_2_hourly",
}
_NETWORKS: Final = {
    "lstmmodel": "LstmModel",
    "cudnnlstmmodel": "LstmModel",
    "lstmmlpmodel": "LstmMlpModel",
}


def physics_key(name: str) -> str | None:
    """Key of :data:`dmg_core.parameters.VARIANTS` that a spelling such as ``dHBV_2_0`` stands for, or None."""
    return _PHYSICS.get(_reduced(name))


def network_key(name: str) -> str | None:
    """Network that a spelling such as ``CudnnLstmModel`` stands for, ``LstmModel`` or ``LstmMlpModel``, or None."""
    return _NETWORKS.get(_reduced(name))


def is_unsupported(name: str) -> bool:
    """Whether a name is that of a δMG model or network that cannot be read yet."""
    return _reduced(name) in _UNSUPPORTED_PHYSICS | _UNSUPPORTED_NETWORKS


def forcing_index(name: str) -> int | None:
    """Return 0 for a spelling of precipitation (in any case), 1 of temperature, 2 of potential evapotranspiration, else None."""
    for index, spellings in enumerate(FORCING_SPELLINGS):
        if name.lower() in (spelling.lower() for spelling in spellings):
            return index
    return None
