"""From an experiment to a model folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dmg_core.learning.data.capped import CappedSampler
from dmg_core.learning.data.gauge_material import GaugeMaterial, load_gauge_material
from dmg_core.learning.data.lessons import Lessons
from dmg_core.learning.data.material import load_material
from dmg_core.learning.data.sampler import SAMPLERS
from dmg_core.learning.loop.optimization import OPTIMIZERS, SCHEDULERS
from dmg_core.learning.loop.ranks import started_ranks
from dmg_core.learning.loop.run_folder import RunFolder
from dmg_core.learning.loop.trainer import Parts, Trainer, Watcher
from dmg_core.learning.losses import LOSSES
from dmg_core.learning.new_model import new_model
from dmg_core.learning.settings.experiment import Component, Experiment, UnitDataSettings
from dmg_core.learning.settings.model import model_settings
from dmg_core.model import DeltaModel
from dmg_core.multi_scale import Channels, GaugeModel, new_channels
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
        material = load_lessons(experiment)
        parts = make_parts(experiment, material)
        if ranks.leads and not resume:
            folder.start(experiment, material.split)
        torch.manual_seed(experiment.seed * ranks.count + ranks.rank)
        Trainer(experiment, material, parts, folder, ranks, watchers if ranks.leads else ()).run()
    return folder.model


def load_lessons(experiment: Experiment) -> Lessons:
    """Read and prepare what an experiment learns from: basins, or gauges with units above them.

    Raises
    ------
    DmgError
        If data are missing or wrong.
    """
    return load_gauge_material(experiment) if isinstance(experiment.data, UnitDataSettings) else load_material(experiment)


def make_parts(experiment: Experiment, material: Lessons) -> Parts:
    """Make model, loss, sampler and optimiser of an experiment.

    Raises
    ------
    ConfigError
        If names or options are unknown.
    """
    settings = replace(model_settings(experiment), pet_method=material.pet_method)
    units = new_model(settings, material.statistics, experiment.seed, dropout=experiment.model.dropout)
    model: DeltaModel | GaugeModel = units
    rng = np.random.default_rng(experiment.seed)
    sampler = _made(SAMPLERS, experiment.sampler, material.learned, *material.train_days, rng)
    if isinstance(material, GaugeMaterial):
        model = GaugeModel(units, _channels(experiment, material))
        sampler = CappedSampler(sampler, material.unit_counts[: material.learned.shape[1]], material.units_per_batch)
    optimizer = _made(OPTIMIZERS, experiment.optimizer, model.parameters())
    iterations = experiment.iterations_per_epoch or sampler.iterations
    scheduler = _made(SCHEDULERS, experiment.scheduler, optimizer, experiment.epochs, iterations)
    loss = _made(LOSSES, experiment.loss, torch.from_numpy(material.learned).to(material.dtype))
    return Parts(model, loss, sampler, optimizer, scheduler)


def _channels(experiment: Experiment, material: GaugeMaterial) -> Channels | None:
    settings = experiment.channels
    return None if settings is None else new_channels(settings, material.way_statistics(settings), experiment.seed)


def _made(registry: Registry[Any], component: Component, *given: Any) -> Any:
    return registry.make(component.name, *given, options=component.options)
