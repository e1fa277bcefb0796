"""From an experiment to a model folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from dmg_core.learning.components import make_component
from dmg_core.learning.experiment import Experiment
from dmg_core.learning.losses import build_loss
from dmg_core.learning.material import Material, load_material
from dmg_core.learning.new_model import model_settings, new_model
from dmg_core.learning.optimization import OPTIMIZERS, SCHEDULERS
from dmg_core.learning.plugins import import_plugins
from dmg_core.learning.ranks import started_ranks
from dmg_core.learning.run_folder import RunFolder
from dmg_core.learning.sampler import SAMPLERS
from dmg_core.learning.trainer import Parts, Trainer, Watcher


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
    import_plugins(experiment)
    folder = RunFolder(Path(out))
    with started_ranks() as ranks:
        torch.set_num_threads(experiment.threads)
        if resume:
            folder.require_same(experiment)
        material = load_material(experiment)
        parts = make_parts(experiment, material)
        if ranks.leads and not resume:
            folder.start(experiment, material.split)
        torch.manual_seed(experiment.seed * ranks.count + ranks.rank)
        Trainer(experiment, material, parts, folder, ranks, watchers if ranks.leads else ()).run()
    return folder.model


def make_parts(experiment: Experiment, material: Material) -> Parts:
    """Make model, loss, sampler and optimiser of an experiment.

    Raises
    ------
    ConfigError
        If names or options are unknown.
    """
    options = experiment.model
    settings = replace(model_settings(experiment), pet_method=material.pet_method)
    model = new_model(settings, material.statistics, experiment.seed, dropout=options.dropout)
    rng = np.random.default_rng(experiment.seed)
    sampler = make_component(
        SAMPLERS[experiment.sampler.name], material.learned, *material.train_days, rng,
        where="sampler", name=experiment.sampler.name, options=experiment.sampler.options,
    )  # fmt: skip
    optimizer = make_component(
        OPTIMIZERS[experiment.optimizer.name], model.parameters(),
        where="optimizer", name=experiment.optimizer.name, options=experiment.optimizer.options,
    )  # fmt: skip
    scheduler = make_component(
        SCHEDULERS[experiment.scheduler.name], optimizer, experiment.epochs, experiment.iterations_per_epoch or sampler.iterations,
        where="scheduler", name=experiment.scheduler.name, options=experiment.scheduler.options,
    )  # fmt: skip
    observed = torch.from_numpy(material.learned).to(material.forcing.dtype)
    return Parts(model, build_loss(experiment.loss.name, observed, **experiment.loss.options), sampler, optimizer, scheduler)
