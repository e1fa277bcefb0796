"""From an experiment to a model folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from dmg_core.errors import ConfigError
from dmg_core.learning.data.any_material import AnyMaterial
from dmg_core.learning.data.hourly_material import HourlyMaterial, load_hourly_material
from dmg_core.learning.data.hourly_sampler import HOURLY_SAMPLERS
from dmg_core.learning.data.material import load_material
from dmg_core.learning.data.sampler import SAMPLERS, Sampler
from dmg_core.learning.loop.optimization import OPTIMIZERS, SCHEDULERS
from dmg_core.learning.loop.ranks import Ranks, started_ranks
from dmg_core.learning.loop.run_folder import RunFolder
from dmg_core.learning.loop.trainer import Parts, Trainer, Watcher
from dmg_core.learning.losses import LOSSES
from dmg_core.learning.new_model import new_model, new_multi_timescale_model
from dmg_core.learning.settings.experiment import Component, Experiment
from dmg_core.learning.settings.model import model_settings
from dmg_core.learning.settings.multi_timescale import multi_timescale_settings
from dmg_core.registry import Registry


def train(experiment: Experiment, out: str | Path, *, resume: bool = False, watchers: Sequence[Watcher] = ()) -> Path:
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
    with started_ranks() as ranks:
        torch.set_num_threads(experiment.threads)
        if resume:
            folder.require_same(experiment)
        material = load_any_material(experiment)
        parts = make_parts(experiment, material)
        _require_one_process(parts, ranks)
        if ranks.leads and not resume:
            folder.start(experiment, material.split)
        torch.manual_seed(experiment.seed * ranks.count + ranks.rank)
        Trainer(experiment, material, parts, folder, ranks, watchers if ranks.leads else ()).run()
    return folder.model


def load_any_material(experiment: Experiment) -> AnyMaterial:
    """Read the data of an experiment, hourly ones where its model has an hourly half, and prepare them.

    Raises
    ------
    DmgError
        If data or basins are missing, or no flow is left to learn from or to validate on; what is wrong is named.
    """
    return load_material(experiment) if experiment.model.hourly is None else load_hourly_material(experiment)


def make_parts(experiment: Experiment, material: AnyMaterial) -> Parts:
    """Make model, loss, sampler and optimiser of an experiment.

    Raises
    ------
    ConfigError
        If names or options are unknown.
    """
    model = _new_model(experiment, material)
    sampler = _sampler(experiment, material)
    optimizer = _made(OPTIMIZERS, experiment.optimizer, model.parameters())
    iterations = experiment.iterations_per_epoch or sampler.iterations
    scheduler = _made(SCHEDULERS, experiment.scheduler, optimizer, experiment.epochs, iterations)
    loss = _made(LOSSES, experiment.loss, material.observed)
    return Parts(model, loss, sampler, optimizer, scheduler)


def _new_model(experiment: Experiment, material: AnyMaterial) -> nn.Module:
    if isinstance(material, HourlyMaterial):
        both = multi_timescale_settings(experiment, material.pet_method)
        return new_multi_timescale_model(both, material.statistics, experiment.seed, dropout=experiment.model.dropout)
    settings = replace(model_settings(experiment), pet_method=material.pet_method)
    return new_model(settings, material.statistics, experiment.seed, dropout=experiment.model.dropout)


def _sampler(experiment: Experiment, material: AnyMaterial) -> Sampler:
    given = (material.learned, *material.train_days, np.random.default_rng(experiment.seed))
    if isinstance(material, HourlyMaterial):
        return cast(Sampler, _made(HOURLY_SAMPLERS, experiment.sampler, *given, material.windows))
    return cast(Sampler, _made(SAMPLERS, experiment.sampler, *given))


def _require_one_process(parts: Parts, ranks: Ranks) -> None:
    if ranks.count > 1 and getattr(parts.sampler, "continuous", False):
        raise ConfigError("states that are carried over from batch to batch belong to one process; train with --processes 1")


def _made(registry: Registry[Any], component: Component, *given: Any) -> Any:
    return registry.make(component.name, *given, options=component.options)
