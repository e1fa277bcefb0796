"""What the tools around a run need to know of a model folder."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from dmg_core.attribute_ranges import TrainingRange, training_ranges
from dmg_core.checkpoint import is_ensemble_folder, is_multi_timescale_folder, read_checkpoint, read_ensemble, read_multi_timescale
from dmg_core.checkpoint.own import is_published_form
from dmg_core.ensembles import EnsembleModel, member_models
from dmg_core.loading import build_model
from dmg_core.models import ProcessModel
from dmg_core.multi_timescale import build_multi_timescale_model


@dataclass(frozen=True)
class ModelFacts:
    """A model folder that fits together.

    Attributes
    ----------
    folder : Path
        Where it is.
    process : ProcessModel
        The process model.
    attributes : tuple of str
        Attributes a catchment must have.
    pet_method : str or None
        How the potential evapotranspiration of the training was computed, if known.
    needs_series : bool
        Whether static parameters come from the end of a series, so that a BMI cannot step it without a spin-up.
    training_ranges : mapping of str to TrainingRange
        What the network, or each member of an ensemble, has seen of attributes in training.
    routes : bool
        Whether runoff goes through a unit hydrograph.
    differences : tuple of str
        Where its config says something else than its weights.
    own : bool
        Whether it is a model of a user's own.
    uncounted : tuple of str
        What counts no water: "the model", or members of an ensemble.
    """

    folder: Path
    process: ProcessModel
    attributes: tuple[str, ...]
    pet_method: str | None
    needs_series: bool
    training_ranges: Mapping[str, TrainingRange]
    routes: bool
    differences: tuple[str, ...]
    own: bool = False
    uncounted: tuple[str, ...] = ()


def read_model_facts(folder: Path) -> ModelFacts:
    """Read and check a model folder.

    Raises
    ------
    CheckpointError
        If its files are missing or do not fit together.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        facts = _read(folder)
    return replace(facts, differences=tuple(str(warning.message) for warning in caught))


def _read(folder: Path) -> ModelFacts:
    if is_ensemble_folder(folder):
        return _facts_of_members(folder)
    return _facts_of_both(folder) if is_multi_timescale_folder(folder) else _facts(folder)


def _facts_of_members(folder: Path) -> ModelFacts:
    """Put together what is to be known of the members of an ensemble."""
    ensemble = read_ensemble(folder)
    models = {name: member.model for name, member in member_models(ensemble).items()}
    members, whole = [_facts(member) for member in ensemble.members], EnsembleModel(models)
    ranges: dict[str, TrainingRange] = {}
    for facts in members:
        for name, seen in facts.training_ranges.items():
            ranges[name] = ranges[name].common(seen) if name in ranges else seen
    return ModelFacts(
        folder=folder,
        process=whole.physics.process,
        attributes=whole.needed_attributes,
        pet_method=whole.settings.pet_method,
        needs_series=whole.static_from_series,
        training_ranges=ranges,
        routes=any(facts.routes for facts in members),
        differences=(),
        own=all(facts.own for facts in members if facts.needs_series),
        uncounted=tuple(f"the member {name}" for name, facts in zip(ensemble.names, members, strict=True) if facts.uncounted),
    )


def _facts(folder: Path) -> ModelFacts:
    checkpoint = read_checkpoint(folder)
    model = build_model(checkpoint)
    ranges = training_ranges(model.normalize_attributes)
    process, pet_method = model.physics.process, checkpoint.settings.pet_method
    routes = model.physics.routing.steps > 1
    own = not is_published_form(checkpoint.settings)
    uncounted = () if model.physics.layout.budget else ("the model",)
    return ModelFacts(folder, process, model.needed_attributes, pet_method, model.static_from_series, ranges, routes, (), own, uncounted)


def _facts_of_both(folder: Path) -> ModelFacts:
    """Read the folder of a multi-timescale model, which is stepped as its hourly model and has no percentiles among its statistics."""
    checkpoint = read_multi_timescale(folder)
    model = build_multi_timescale_model(checkpoint)
    ranges = training_ranges(model.hourly.normalize_attributes)
    return ModelFacts(
        folder, model.hourly.physics.process, model.attribute_names, None, False, ranges, model.hourly.physics.routing.steps > 1, ()
    )
