"""Finding the basins and days behind a loss or a gradient that is no number."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dmg_core.errors import DmgError
from dmg_core.learning.data.lessons import Lessons
from dmg_core.learning.data.sampler import Batch


class TrainingError(DmgError):
    """Raise if a training cannot go on: its loss or gradient is no number."""


def require_finite_flow(simulated: Tensor, material: Lessons, batch: Batch, warm_up: int) -> None:
    """Stop where a simulated flow is no number.

    Parameters
    ----------
    simulated : Tensor, shape (days, b)
        Flow of each window after its warm-up.
    material : Lessons
        Names basins and days.
    batch : Batch
        The windows.
    warm_up : int
        Their days before those of the flow.

    Raises
    ------
    TrainingError
        Naming the basins and the first day on which their weather is no number; or, if it always is, their attributes or their flow.
    """
    flow = simulated.detach().cpu()
    if bool(torch.isfinite(flow).all()):
        return
    days = batch.starts + np.arange(warm_up + len(flow))[:, None]
    weather, attributes = material.are_numbers(days, batch.basins)
    attributes = attributes.expand(len(days), -1)
    for what, good, rows in (
        ("weather", weather, days),
        ("attributes", attributes, days),
        ("simulated flow", torch.isfinite(flow), days[warm_up:]),
    ):
        if not bool(good.all()):
            raise TrainingError(f"the {what} is no number in basins {_first_days(material, batch, (~good).numpy(), rows)}")


def require_finite_loss(loss: Tensor, simulated: Tensor, material: Lessons, batch: Batch, warm_up: int) -> None:
    """Stop where the loss is no number.

    Parameters
    ----------
    loss : Tensor, shape ()
        Of the batch.
    simulated, material, batch, warm_up
        As for :func:`require_finite_flow`.

    Raises
    ------
    TrainingError
        As :func:`require_finite_flow`; if all flow is a number, naming all basins of the batch and their first days.
    """
    if not bool(torch.isfinite(loss)):
        require_finite_flow(simulated, material, batch, warm_up)
        raise TrainingError(f"the loss is {loss.item()}, though every simulated flow is a number; {_windows(material, batch, warm_up)}")


def require_finite_gradient(loss_of: Callable[[Batch], Tensor], model: nn.Module, material: Lessons, batch: Batch, warm_up: int) -> None:
    """Stop, because a gradient is no number, after finding the basins it comes from.

    Parameters
    ----------
    loss_of : callable
        Gives the loss of a batch.
    model : Module
        Whose weights have the gradient.
    material, batch, warm_up
        As for :func:`require_finite_flow`.

    Raises
    ------
    TrainingError
        Always: naming the basins that alone give such a gradient, with the days of the loss, or else all of the batch.
    """
    alone = [Batch(batch.basins[row : row + 1], batch.starts[row : row + 1], batch.follows) for row in range(len(batch.basins))]
    guilty = [one for one in alone if not _has_finite_gradient(loss_of(one), model)]
    named = Batch(*(np.concatenate([getattr(one, part) for one in guilty]) for part in ("basins", "starts"))) if guilty else batch
    raise TrainingError(f"the gradient is no number; {_windows(material, named, warm_up)}")


def _has_finite_gradient(loss: Tensor, model: nn.Module) -> bool:
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    gradients = torch.autograd.grad(loss, weights, allow_unused=True)
    return all(bool(torch.isfinite(gradient).all()) for gradient in gradients if gradient is not None)


def _windows(material: Lessons, batch: Batch, warm_up: int) -> str:
    windows = [
        f"{material.ids[basin]} from {material.dates[start + warm_up]}" for basin, start in zip(batch.basins, batch.starts, strict=True)
    ]
    return f"basins and first days of the loss: {', '.join(windows)}"


def _first_days(material: Lessons, batch: Batch, wrong: NDArray[np.bool_], rows: NDArray[np.int64]) -> str:
    """Name the basins with anything wrong (days, b) and the first day of each; ``rows`` are the days' places in the data."""
    columns = np.flatnonzero(wrong.any(axis=0))
    first = rows[wrong.argmax(axis=0), np.arange(wrong.shape[1])]
    return ", ".join(f"{material.ids[batch.basins[column]]} from {material.dates[first[column]]}" for column in columns)
