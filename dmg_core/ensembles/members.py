"""Models that can stand beside each other in an ensemble."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dmg_core.checkpoint import EnsembleFolder, is_multi_timescale_folder
from dmg_core.ensembles.model import EnsembleModel
from dmg_core.errors import ConfigError
from dmg_core.loading import load_model
from dmg_core.model import DeltaModel
from dmg_core.normalization import P10, P90, Normalizer


@dataclass(frozen=True, eq=False)
class EnsembleMember:
    """A member.

    Attributes
    ----------
    model : DeltaModel
        The model.
    weight : float
        Its share in the mean.
    """

    model: DeltaModel
    weight: float


def member_models(ensemble: EnsembleFolder, dtype: str = "float32") -> dict[str, EnsembleMember]:
    """Read the members of an ensemble, by name.

    Raises
    ------
    DmgError
        If one cannot be read, is a multi-timescale model, or they do not fit together; the folder is named.
    """
    members = {}
    for name, folder, weight in zip(ensemble.names, ensemble.members, ensemble.weights, strict=True):
        if is_multi_timescale_folder(folder):
            raise ConfigError(f"{folder}: a multi-timescale model cannot be a member of an ensemble")
        members[name] = EnsembleMember(load_model(folder, dtype), weight)
    try:
        require_alike({name: member.model for name, member in members.items()})
    except ConfigError as error:
        raise ConfigError(f"{ensemble.folder}: {error}") from error
    return members


def require_members(ensemble: EnsembleFolder) -> None:
    """Read the members of an ensemble and see that they fit together.

    Raises
    ------
    DmgError
        If one cannot be read, or they do not fit.
    """
    EnsembleModel({name: member.model for name, member in member_models(ensemble).items()})


def require_alike(models: Mapping[str, DeltaModel]) -> None:
    """Refuse members that were trained with other evapotranspiration, in other units, or for other regions.

    Raises
    ------
    ConfigError
        If methods of potential evapotranspiration differ, as far as they are known; or the middle 80 % of the training of a forcing or an
        attribute of two members have nothing in common. Members and values are named.
    """
    methods = {name: model.settings.pet_method for name, model in models.items() if model.settings.pet_method is not None}
    if len(set(methods.values())) > 1:
        told = ", ".join(f"{method} ({name})" for name, method in methods.items())
        raise ConfigError(f"members were trained with different potential evapotranspiration: {told}; train them with one method")
    seen: dict[str, tuple[str, float, float]] = {}
    for name, model in models.items():
        symbols = [f"forcing {one.name}" for one in model.physics.process.forcings]
        ranges = {**_ranges(model.normalize_forcing, symbols), **_ranges(model.normalize_attributes, model.settings.attributes)}
        for variable, (low, high) in ranges.items():
            other, least, largest = seen.setdefault(variable, (name, low, high))
            if low > largest or high < least:
                raise ConfigError(
                    f"members were trained for other regions, or in other units: {variable} was {least:.4g} to {largest:.4g} in the "
                    f"training of {other}, {low:.4g} to {high:.4g} in that of {name} (10th to 90th percentile)"
                )


def _ranges(normalizer: Normalizer, called: list[str] | tuple[str, ...]) -> dict[str, tuple[float, float]]:
    """Give the 10th and 90th percentile of training of each variable that is not log-normalised, as far as they are known."""
    rows = zip(called, normalizer.rows, np.asarray(normalizer.log), strict=True) if normalizer.rows else ()
    return {name: (row[P10], row[P90]) for name, row, logarithmic in rows if not logarithmic}
