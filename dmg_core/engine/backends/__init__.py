"""Two ways to advance the catchments of an engine: compiled code for CPU, and torch for any device.

Both read and write the same arrays (:mod:`dmg_core.engine.arrays`) and share one interface, :class:`Backend`.
"""

from __future__ import annotations

from typing import Final

from dmg_core.deferred import torch
from dmg_core.engine.backends.base import Backend
from dmg_core.engine.backends.compiled_backend import CompiledBackend
from dmg_core.errors import ConfigError
from dmg_core.model_form import ModelForm

__all__ = ["BACKENDS", "Backend", "CompiledBackend", "make_backend"]

#: ``compiled`` works on CPU only; ``auto`` takes it there for models that have a compiled form, and torch otherwise.
BACKENDS: Final = ("auto", "compiled", "torch")


def make_backend(model: ModelForm, device: str, backend: str, threads: int) -> Backend:
    """Choose how to advance the catchments of a model.

    Raises
    ------
    ConfigError
        If backend or device are unknown, are not there, or do not go together, or if there are no threads.
    """
    if backend not in BACKENDS:
        raise ConfigError(f"backend {backend!r} is not one of {', '.join(BACKENDS)}")
    on_cpu = device == "cpu" or _checked_device(device).type == "cpu"
    if backend == "compiled" and not on_cpu:
        raise ConfigError(f"backend 'compiled' works on cpu only, not on {device}; use 'torch' or 'auto'")
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise ConfigError(f"threads is {threads!r}, expected a whole number from 1")
    if device != "cpu":
        _require_there(_checked_device(device))
    obstacle = _no_compiled_form(model)
    if backend == "compiled" and obstacle:
        raise ConfigError(f"backend 'compiled' cannot step this model: {obstacle}; use 'torch' or 'auto'")
    if backend == "torch" or not on_cpu or obstacle:
        from dmg_core.engine.backends.torch_backend import TorchBackend  # only where it is wanted: it needs torch
        from dmg_core.model import DeltaModel

        assert isinstance(model, DeltaModel)  # a kept form is for compiled code alone
        return TorchBackend(model, torch.device(device))
    return CompiledBackend(model, threads)


def _checked_device(device: str) -> torch.device:
    try:
        return torch.device(device)
    except RuntimeError as error:
        raise ConfigError(f"device {device!r} is none that torch knows, such as cpu, cuda or cuda:1") from error


def _no_compiled_form(model: ModelForm) -> str:
    """Say why compiled code cannot step a model; nothing if it can."""
    if model.lstm_arrays is None and (model.state_sizes or model.physics.dynamic_parameters):
        return f"its network {model.settings.network} is no LSTM"
    return "" if model.physics.process.compiled else f"its process model {model.physics.process.name} says that it cannot be traced"


def _require_there(device: torch.device) -> None:
    """Refuse a device that this machine, or this build of torch, does not have."""
    try:
        torch.zeros(1, dtype=torch.float64, device=device)
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        why = str(error).strip().partition("\n")[0]
        raise ConfigError(f"device {str(device)!r} cannot be used here ({why}); set device: cpu, or install what it needs") from error
