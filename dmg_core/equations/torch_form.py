"""A step of a process model in torch, with the convention and the errors of its traced form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dmg_core.deferred import torch
from dmg_core.equations.convention import torch_convention
from dmg_core.equations.tape import declared_results
from dmg_core.equations.tracing import Namespace, run_equations
from dmg_core.errors import ConfigError
from dmg_core.models.process_model import ProcessModel


def torch_step(
    model: ProcessModel,
    stores: Mapping[str, torch.Tensor],
    parameters: Mapping[str, torch.Tensor],
    series: Mapping[str, torch.Tensor],
    like: torch.Tensor,
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Advance a process model by one step, in torch.

    Where equations take a branch by :func:`torch.where` whose other branch is infinitely steep there, torch's gradient is NaN (it
    multiplies zero by infinity), while that of compiled code is zero (:mod:`dmg_core.equations.rules`). Bound the argument, such as by
    ``torch.clamp(x, min=1e-6)``, where gradients are to be taken in torch.

    Parameters
    ----------
    model : ProcessModel
        The model.
    stores, parameters, series : mapping of str to Tensor
        By the names that the equations use: ``s``, ``p`` and ``x``; of shapes that go together with that of ``like``.
    like : Tensor, shape (B, K)
        What results are shaped like: components of catchments.

    Returns
    -------
    stores, fluxes : dict of str to Tensor, shape (B, K)
        By name.

    Raises
    ------
    ConfigError
        If the equations fail, read or return what is not declared, or give another shape; model and line are named.
    """
    title = type(model).__name__
    s = Namespace(title, "s", "stores", stores)
    p, x = Namespace(title, "p", "parameters", parameters), Namespace(title, "x", "forcings and attributes", series)
    before = [] if model.compiled else _versions(stores, parameters, series)  # a traced model changes nothing
    with torch_convention():
        returned = run_equations(title, lambda: model.step(s, p, x, model.dt), "the equations fail")
    if not model.compiled and _versions(stores, parameters, series) != before:
        raise ConfigError(f"{title}: step changes a store, parameter or forcing in place; give the new value a name: write a = a + b")
    names = [store.name for store in model.stores]
    results = declared_results(model, returned, names, [flux.name for flux in model.fluxes])
    filled = [_filled(title, what, value, like) for what, value in results.items()]
    return dict(zip(names, filled, strict=False)), dict(zip((flux.name for flux in model.fluxes), filled[len(names) :], strict=True))


def _versions(*groups: Mapping[str, torch.Tensor]) -> list[int]:
    """How often tensors have been written to; those of inference mode do not count it."""
    return [tensor._version for group in groups for tensor in group.values() if not tensor.is_inference()]


def _filled(title: str, what: str, value: Any, like: torch.Tensor) -> torch.Tensor:
    """Give a value of all components also where a step returns a number, or one value for all."""
    if not isinstance(value, torch.Tensor):
        try:
            return torch.full_like(like, float(value))
        except (TypeError, ValueError):
            raise ConfigError(f"{title}: {what} is {type(value).__name__}; a number is expected") from None
    try:
        return value.to(like.dtype).expand_as(like)
    except RuntimeError:
        found, expected = tuple(value.shape), tuple(like.shape)
        raise ConfigError(f"{title}: {what} has shape {found}, expected {expected}: catchments, components") from None
