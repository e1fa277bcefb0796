"""What a loss is: made by name with the observations of a training, called with batches, whose shapes are checked.

A loss is made with the observations of all basins of the training, because some weigh a basin by how much its flow varies there, and is
then called with batches: flows of some of the basins in a window of time. Missing observations (NaN) take no part: the simulated flows of
their times have no influence and gradient zero. A batch without any observation has loss zero with gradient zero, so that it leaves the
sum of a training untouched; what is not finite in the simulation makes the loss so.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from dmg_core.errors import ConfigError
from dmg_core.registry import Registry


class Loss(Protocol):
    """A number that is the smaller the closer the simulated flows are to the observed ones."""

    def __call__(self, simulated: Tensor, observed: Tensor, basins: Tensor, /) -> Tensor:
        """Compute the loss of a batch.

        Parameters
        ----------
        simulated : Tensor, shape (T, b)
            Flows of the batch's basins.
        observed : Tensor, shape (T, b)
            What was observed, NaN where nothing was.
        basins : Tensor of int, shape (b,)
            Columns of these basins in the observations that the loss was made with.

        Returns
        -------
        Tensor, shape ()
        """


Maker = TypeVar("Maker", bound=Callable[..., Loss])

LOSSES: Final[Registry[Callable[..., Loss]]] = Registry("loss")
"""Makers of losses by name: each takes the observations of all basins of the training, shape (T, B), and its options by name."""


def register_loss(name: str, *aliases: str) -> Callable[[Maker], Maker]:
    """Make a decorator that enters a loss of one's own into :data:`LOSSES`.

    Parameters
    ----------
    name : str
        What it is chosen by in an experiment.
    *aliases : str
        Other names it can be chosen by.

    Raises
    ------
    ConfigError
        If one of the names is taken.
    """

    def enter(maker: Maker) -> Maker:
        LOSSES.register(name, *aliases)(maker)
        return maker

    return enter


def build_loss(name: str, observed_of_training: ArrayLike, **options: Any) -> Loss:
    """Make a loss.

    Parameters
    ----------
    name : str
        In :data:`LOSSES`.
    observed_of_training : array_like, shape (T, B)
        Flows of all basins of the training in its whole period, NaN where not observed.
    **options : object
        What the loss takes beside them.

    Raises
    ------
    ConfigError
        If there is no such loss, it does not take these options, or the observations are not in columns.
    """
    loss: Loss = LOSSES.make(name, observed_of_training, options=options)
    return loss


class BatchLoss(ABC):
    """Loss of a batch whose shapes are checked.

    Parameters
    ----------
    observed_of_training : array_like, shape (T, B)
        Flows of all basins of the training, NaN where not observed.
    """

    def __init__(self, observed_of_training: ArrayLike) -> None:
        shape = np.shape(observed_of_training)
        if len(shape) != 2:
            raise ConfigError(f"loss: the observations of the training have shape {shape}; it must be (times, basins)")
        self._basin_count = shape[1]

    def __call__(self, simulated: Tensor, observed: Tensor, basins: Tensor) -> Tensor:
        """Compute the loss of a batch; see :class:`Loss`.

        Raises
        ------
        ValueError
            If the shapes do not fit together, or a basin is not one of the training.
        """
        if simulated.ndim != 2 or simulated.shape != observed.shape:
            raise ValueError(
                f"simulated has shape {tuple(simulated.shape)}, observed {tuple(observed.shape)}; both must be (times, basins)"
            )
        if basins.shape != simulated.shape[1:]:
            raise ValueError(f"basins has shape {tuple(basins.shape)}; with these flows it must be ({simulated.shape[1]},)")
        if basins.numel() and not 0 <= int(basins.min()) <= int(basins.max()) < self._basin_count:
            raise ValueError(f"basins has {basins.tolist()}; they must be columns 0 … {self._basin_count - 1} of the training")
        return self._of_batch(simulated, observed, basins)

    @abstractmethod
    def _of_batch(self, simulated: Tensor, observed: Tensor, basins: Tensor) -> Tensor: ...
