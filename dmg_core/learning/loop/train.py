"""From an experiment to a model folder."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from dmg_core.checkpoint import Checkpoint, ModelSettings, MultiTimescaleCheckpoint, MultiTimescaleSettings
from dmg_core.errors import ConfigError
from dmg_core.learning.data.capped import CappedSampler
from dmg_core.learning.data.gauge_material import GaugeMaterial, load_gauge_material
from dmg_core.learning.data.hourly_material import HourlyMaterial, load_hourly_material
from dmg_core.learning.data.hourly_sampler import HOURLY_SAMPLERS
from dmg_core.learning.data.lessons import Lessons
from dmg_core.learning.data.material import load_material
from dmg_core.learning.data.sampler import SAMPLERS, Sampler
from dmg_core.learning.data.unit_survey import Surveyed
from dmg_core.learning.loop.devices import device_of
from dmg_core.learning.loop.learning_parts import let_learn, require_no_decay
from dmg_core.learning.loop.optimization import OPTIMIZERS, SCHEDULERS
from dmg_core.learning.loop.ranks import Ranks, started_ranks
from dmg_core.learning.loop.run_folder import RunFolder
from dmg_core.learning.loop.trainer import Parts, Trainer, Watcher
from dmg_core.learning.loss import LOSSES
from dmg_core.learning.new_model import new_model, new_multi_timescale_model
from dmg_core.learning.settings.data import UnitDataSettings
from dmg_core.learning.settings.experiment import Component, Experiment
from dmg_core.learning.settings.model import model_settings
from dmg_core.learning.settings.multi_timescale import multi_timescale_settings
from dmg_core.learning.settings.start import read_start
from dmg_core.model import DeltaModel
from dmg_core.multi_scale import Channels, GaugeModel, new_channels
from dmg_core.multi_timescale import MultiTimescaleModel
from dmg_core.registry import Registry

LOGGER = logging.getLogger(__name__)


def train(
    experiment: Experiment,
    out: str | Path,
    *,
    resume: bool = False,
    watchers: Sequence[Watcher] = (),
    surveyed: Surveyed | None = None,
) -> Path:
    """Train a model as an experiment says.

    Parameters
    ----------
    experiment : Experiment
        What to do.
    out : str or Path
        Folder for results: ``model`` (the best weights, a model folder), ``log.csv``, ``last.pt`` (to go on from), ``experiment.yaml``,
        ``versions.json``.
    resume : bool
        Go on with the training in ``out``, which ends as if it had not been interrupted.
    watchers : sequence of Watcher
        Are told how it goes.
    surveyed : callable, optional
        Is told of how many units the weather has been looked through, and of how many it will be, before the training begins.

    Returns
    -------
    Path
        The model folder.

    Raises
    ------
    DmgError
        If experiment, data or folder are wrong, or the training cannot go on.
    """
    experiment.import_plugins()
    folder = RunFolder(Path(out))
    with started_ranks(experiment.device) as ranks:
        device = device_of(experiment.device, ranks)
        torch.set_num_threads(experiment.threads)
        if resume:
            folder.require_same(experiment)
        material = load_lessons(experiment, surveyed if ranks.leads else None)
        parts = make_parts(experiment, material, device)
        _require_one_process(parts, ranks)
        if ranks.leads and not resume:
            folder.start(experiment, material.split)
        torch.manual_seed(experiment.seed * ranks.count + ranks.rank)
        trainer = Trainer(experiment, material, parts, folder, ranks, watchers if ranks.leads else ())
        trainer.run()
        if experiment.start is not None and ranks.leads and trainer.counters.best_epoch == 0:
            best = trainer.counters.best_nse
            LOGGER.warning("no epoch was better on validation than the start (median NSE %.4f): %s holds the start", best, folder.model)
    return folder.model


def load_lessons(experiment: Experiment, surveyed: Surveyed | None = None) -> Lessons:
    """Read and prepare what an experiment learns from: basins, gauges with units above them, or either by the hour.

    Raises
    ------
    DmgError
        If data are missing or wrong.
    """
    material = _lessons(experiment, surveyed)
    if experiment.start is None:
        return material
    start = read_start(experiment.start.model)
    _tell_other_pet(start.settings, material.pet_method)
    return replace(material, statistics=start.statistics)  # what its weights were trained with


def _lessons(experiment: Experiment, surveyed: Surveyed | None) -> Lessons:
    of_units = isinstance(experiment.data, UnitDataSettings)
    if experiment.model.hourly is not None:
        return load_hourly_material(experiment)
    if of_units and experiment.start is not None:
        raise ConfigError("start: a model of units and gauges cannot be fine-tuned; fine-tune that of the units at basins")
    return load_gauge_material(experiment, surveyed) if of_units else load_material(experiment)


def _tell_other_pet(settings: ModelSettings | MultiTimescaleSettings, method: str | None) -> None:
    then = settings.pet_method if isinstance(settings, ModelSettings) else settings.daily.pet_method
    if None not in (then, method) and then != method:
        LOGGER.warning("the model to start from was trained with evapotranspiration after %s, these data have that after %s", then, method)


def make_parts(experiment: Experiment, material: Lessons, device: torch.device | None = None) -> Parts:
    """Make model, loss, sampler and optimiser of an experiment.

    Parameters
    ----------
    experiment : Experiment
        What to do.
    material : Lessons
        What is learned from.
    device : torch.device, optional
        Where the model learns; the CPU by default.

    Raises
    ------
    ConfigError
        If names or options are unknown.
    """
    model = _new_model(experiment, material).to(device)
    some_rows = _let_learn(experiment, model)
    sampler = _sampler(experiment, material)
    optimizer = _made(OPTIMIZERS, experiment.optimizer, [weight for weight in model.parameters() if weight.requires_grad])
    if some_rows:
        require_no_decay(optimizer)
    iterations = experiment.iterations_per_epoch or sampler.iterations
    scheduler = _made(SCHEDULERS, experiment.scheduler, optimizer, experiment.epochs, iterations)
    loss = _made(LOSSES, experiment.loss, material.observed)
    return Parts(model, loss, sampler, optimizer, scheduler)


def _new_model(experiment: Experiment, material: Lessons) -> Any:
    """Make the model that learns, with random weights or those of the model to start from."""
    if experiment.start is not None:
        return _started(read_start(experiment.start.model), experiment, material.pet_method)
    dropout = experiment.model.dropout
    if isinstance(material, HourlyMaterial):
        both = multi_timescale_settings(experiment, material.pet_method)
        return new_multi_timescale_model(both, material.statistics, experiment.seed, dropout=dropout)
    settings = replace(model_settings(experiment), pet_method=material.pet_method)
    units = new_model(settings, material.statistics, experiment.seed, dropout=dropout)
    return GaugeModel(units, _channels(experiment, material)) if isinstance(material, GaugeMaterial) else units


def _started(start: Checkpoint | MultiTimescaleCheckpoint, experiment: Experiment, method: str | None) -> Any:
    """Make the model to start from, which learns with the dropout of the experiment."""
    given: Any = start.statistics, experiment.seed
    model: DeltaModel | MultiTimescaleModel
    if isinstance(start, MultiTimescaleCheckpoint):
        daily, hourly = (replace(half, pet_method=method or half.pet_method) for half in (start.settings.daily, start.settings.hourly))
        both = replace(start.settings, daily=daily, hourly=hourly)
        model = new_multi_timescale_model(both, *given, dropout=experiment.model.dropout)
    else:
        settings = replace(start.settings, pet_method=method or start.settings.pet_method)
        model = new_model(settings, *given, dropout=experiment.model.dropout)
    model.network.load_state_dict(start.weights)
    return model


def _let_learn(experiment: Experiment, model: Any) -> bool:
    """Let the parts of a model learn that the experiment names; see :func:`let_learn`."""
    if experiment.start is None:
        return False
    hourly = experiment.model.hourly
    if experiment.start.parts == "routing" and hourly is not None and not hourly.routing:
        raise ConfigError("start: parts is 'routing', but model.hourly.routing is false: flow of units is summed up")
    return let_learn(model, experiment.start.parts)


def _sampler(experiment: Experiment, material: Lessons) -> Sampler:
    given = (material.learned, *material.train_days, np.random.default_rng(experiment.seed))
    if isinstance(material, HourlyMaterial):
        return cast(Sampler, _made(HOURLY_SAMPLERS, experiment.sampler, *given, material.windows))
    sampler = cast(Sampler, _made(SAMPLERS, experiment.sampler, *given))
    if isinstance(material, GaugeMaterial):
        return CappedSampler(sampler, material.unit_counts[: material.learned.shape[1]], material.units_per_batch)
    return sampler


def _require_one_process(parts: Parts, ranks: Ranks) -> None:
    if ranks.count > 1 and getattr(parts.sampler, "continuous", False):
        raise ConfigError("states that are carried over from batch to batch belong to one process; train with --processes 1")


def _channels(experiment: Experiment, material: GaugeMaterial) -> Channels | None:
    settings = experiment.channels
    return None if settings is None else new_channels(settings, material.way_statistics(settings), experiment.seed)


def _made(registry: Registry[Any], component: Component, *given: Any) -> Any:
    return registry.make(component.name, *given, options=component.options)
