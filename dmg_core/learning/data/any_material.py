"""What a training asks of its material, of whatever time scale."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dmg_core.data import Split
from dmg_core.learning.data.material import Compared, Judged
from dmg_core.learning.data.sampler import Batch


class AnyMaterial(Protocol):
    """Data of an experiment: :class:`~dmg_core.learning.data.material.Material` has days, others hours in their place."""

    @property
    def ids(self) -> tuple[str, ...]:
        """The basins (or gauges), those learned from first."""

    @property
    def dates(self) -> NDArray[np.datetime64]:
        """All days (or hours) that are needed."""

    @property
    def learned(self) -> NDArray[np.float64]:
        """Flow learned from, (T, L)."""

    @property
    def judged(self) -> NDArray[np.float64]:
        """Flow validated on, (T, B)."""

    @property
    def observed(self) -> Tensor:
        """Flow learned from, in the precision of the equations."""

    @property
    def train_days(self) -> tuple[int, int]:
        """First and last row with flow to learn from."""

    @property
    def statistics(self) -> Any:
        """Of the inputs of the networks, as the writer of the model's folder takes them."""

    @property
    def split(self) -> Split:
        """What is learned from, validated on and kept for tests."""

    @property
    def pet_method(self) -> str | None:
        """How potential evapotranspiration was computed, if known."""

    def compare(self, model: Any, batch: Batch, sampler: Any, carried: Any = None) -> Compared:
        """Run the windows of a batch, from what the batch before has carried over where this one follows it."""

    def judge(self, model: Any, basins: NDArray[np.intp], warm_up: int) -> Iterator[Judged]:
        """Run basins through the validation period."""

    def finite_weather(self, days: NDArray[np.int64], basins: NDArray[np.int64]) -> Tensor:
        """Whether the weather of basins (b,) is a number on days (D, b)."""

    def finite_attributes(self, basins: NDArray[np.int64]) -> Tensor:
        """Whether the attributes of basins are numbers, (b,)."""

    def carried_of(self, tensors: Sequence[Tensor]) -> Any:
        """Put together what a checkpoint holds of what was carried over."""
