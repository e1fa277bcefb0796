"""What the tools around a run need to know of a model folder."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from dmg_core.attributes import needed_attributes
from dmg_core.checkpoint import is_multi_timescale_folder, read_checkpoint, read_multi_timescale
from dmg_core.model import build_model
from dmg_core.multi_timescale import build_multi_timescale_model
from dmg_core.parameters import Variant

#: Standard deviations from the mean beyond which a network has hardly seen an attribute in training.
FAR: Final = 4.0
#: For attributes that hardly vary (90th percentile below this many times the 10th): how many times less or more is another unit.
FACTOR: Final = 10.0
#: Attributes of which a tenth or ten times is not another unit: those with an arbitrary zero, and areas, since divides are cut small.
WITHOUT_RATIOS: Final = frozenset({"meanTa", "latitude", "uparea", "catchsize", "area_gages2"})


@dataclass(frozen=True)
class ModelFacts:
    """A model folder that fits together.

    Attributes
    ----------
    folder : Path
        Where it is.
    variant : Variant
        The member of the δHBV family.
    attributes : tuple of str
        Attributes a catchment must have.
    pet_method : str or None
        How the potential evapotranspiration of the training was computed, if known.
    needs_series : bool
        Whether static parameters come from the end of a series, so that a BMI cannot step it without a spin-up.
    training_ranges : mapping of str to (float, float)
        For attributes: outside it, the network has seen next to nothing in training.
    differences : tuple of str
        Where its config says something else than its weights.
    """

    folder: Path
    variant: Variant
    attributes: tuple[str, ...]
    pet_method: str | None
    needs_series: bool
    training_ranges: Mapping[str, tuple[float, float]]
    differences: tuple[str, ...]


def read_model_facts(folder: Path) -> ModelFacts:
    """Read and check a model folder.

    Raises
    ------
    CheckpointError
        If its files are missing or do not fit together.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        facts = _facts_of_both(folder) if is_multi_timescale_folder(folder) else _facts(folder)
    return replace(facts, differences=tuple(str(warning.message) for warning in caught))


def _facts(folder: Path) -> ModelFacts:
    checkpoint = read_checkpoint(folder)
    model, settings = build_model(checkpoint), checkpoint.settings
    statistics = {name: checkpoint.statistics[name] for name in settings.attributes if name not in settings.log_norm}
    ranges = {name: training_range(*row, ratios=name not in WITHOUT_RATIOS) for name, row in statistics.items()}
    return ModelFacts(folder, model.physics.variant, needed_attributes(model), settings.pet_method, model.static_from_series, ranges, ())


def _facts_of_both(folder: Path) -> ModelFacts:
    """Read the folder of a multi-timescale model, which is stepped as its hourly model and has no percentiles among its statistics."""
    checkpoint = read_multi_timescale(folder)
    model = build_multi_timescale_model(checkpoint)
    moments = checkpoint.statistics.attributes
    ranges = {
        name: (mean - FAR * std, mean + FAR * std)
        for name, mean, std in zip(checkpoint.settings.daily.attributes, moments.mean, moments.std, strict=True)
    }
    return ModelFacts(folder, model.hourly.physics.variant, model.attribute_names, None, False, ranges, ())


def training_range(p10: float, p90: float, mean: float, std: float, *, ratios: bool = True) -> tuple[float, float]:
    """Bounds outside which a network has seen next to nothing in training.

    Four standard deviations around the mean; closer ones for attributes that vary by less than a factor of ten between the percentiles,
    where a value ten times smaller or greater than those is no rare catchment but another unit.

    Parameters
    ----------
    p10, p90, mean, std : float
        Statistics of the training data.
    ratios : bool
        Whether there is a natural zero, so that ten times less or more means something.
    """
    low, high = mean - FAR * std, mean + FAR * std
    if ratios and p10 >= 0.0:
        low = max(low, 0.0)
    if ratios and p10 > 0.0 and p90 < FACTOR * p10:
        low, high = max(low, p10 / FACTOR), min(high, p90 * FACTOR)
    return low, high
