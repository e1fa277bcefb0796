"""Models from model folders."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import nn

from dmg_core.checkpoint import Checkpoint, read_checkpoint
from dmg_core.checkpoint.stamp import unchanged_reader
from dmg_core.equations.models import digest_of_equations
from dmg_core.errors import CheckpointError
from dmg_core.model import DeltaModel
from dmg_core.models import ProcessModel
from dmg_core.networks import NETWORKS
from dmg_core.normalization import Normalizer
from dmg_core.physics.making import make_physics


def build_model(checkpoint: Checkpoint, dtype: str | torch.dtype = "float32") -> DeltaModel:
    """Put a model together from what a folder holds.

    Parameters
    ----------
    checkpoint : Checkpoint
        Settings, statistics and weights, checked.
    dtype : str or torch.dtype
        Precision of the network: float32 or float64.
    """
    settings = checkpoint.settings
    physics = make_physics(settings)
    forcings = Normalizer.from_statistics(checkpoint.statistics, settings.forcings, settings.log_norm)
    attributes = Normalizer.from_statistics(checkpoint.statistics, settings.attributes, settings.log_norm)
    _require_same_equations(checkpoint, physics.process)
    with torch.device("meta"):  # the weights are assigned, not copied: sizes are all that is needed here
        network = NETWORKS.make(settings.network, settings, physics, 0.0, options=settings.network_options)
    _require_fit(checkpoint, network)
    network.load_state_dict(checkpoint.weights, assign=True)
    return DeltaModel(settings, network.to(torch_dtype(dtype)), physics, forcings, attributes).eval()


def _require_same_equations(checkpoint: Checkpoint, process: ProcessModel) -> None:
    """Refuse weights that were trained with other equations than those there are now, as far as the folder says with which."""
    then = checkpoint.settings.tape
    if then is None or not process.compiled:
        return
    now = digest_of_equations(process)
    if now != then:
        raise CheckpointError(
            f"{checkpoint.folder}: the equations of {process.name} have changed since the weights were trained (their digest is {now}, it "
            f"was {then}): bring back the code of then, or train anew"
        )


def _require_fit(checkpoint: Checkpoint, network: nn.Module) -> None:
    """Refuse weights of another network."""
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in checkpoint.weights.items()}
    problems = [f"missing {name}" for name in expected if name not in found]
    problems += [f"surplus {name}" for name in found if name not in expected]
    problems += [f"{name} is {found[name]}, expected {shape}" for name, shape in expected.items() if found.get(name, shape) != shape]
    if problems:
        raise CheckpointError(
            f"{checkpoint.folder}: the weights do not fit the network {checkpoint.settings.network}: {'; '.join(problems)}"
        )


def load_model(folder: str | Path, dtype: str | torch.dtype = "float32") -> DeltaModel:
    """Read a model folder trained with δMG, or written by this project.

    Parameters
    ----------
    folder : str or Path
        Holds ``config.yaml``, ``normalization_statistics.json`` and the weights.
    dtype : str or torch.dtype
        Precision of the network: float32 or float64.

    Raises
    ------
    CheckpointError
        If a file is missing or the files do not fit together.
    """
    return build_model(read_checkpoint(folder), dtype)


def model_reader(folder: str | Path, dtype: str | torch.dtype = "float32") -> Callable[[], DeltaModel]:
    """Give a function that reads a model folder as long as it holds what it holds now.

    The function raises a :class:`~dmg_core.errors.CheckpointError` if the folder has changed.
    """
    return unchanged_reader(folder, partial(load_model, folder, dtype))


def torch_dtype(dtype: str | torch.dtype) -> torch.dtype:
    """Precision of a network by its name, float32 or float64."""
    known = {"float32": torch.float32, "float64": torch.float64}
    if isinstance(dtype, torch.dtype) and dtype in known.values():
        return dtype
    if dtype not in known:
        raise ValueError(f"dtype {dtype!r} is not one of {', '.join(known)}")
    return known[str(dtype)]
