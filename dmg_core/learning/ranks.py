"""The processes that train one model together, as :mod:`dmg_core.learning.launch` or ``torchrun`` starts them; one is a special case."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor, nn

#: Environment variable that names the file at which processes of one machine meet.
MEETING: Final = "DMG_MEETING"


@dataclass(frozen=True)
class Ranks:
    """One process among those that train together.

    Attributes
    ----------
    rank : int
        Its number; 0 writes the files.
    count : int
        How many there are.
    """

    rank: int = 0
    count: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes files and tells of progress."""
        return self.rank == 0

    def share(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give the part of this process."""
        return rows[self.rank :: self.count]

    def average_gradients(self, parameters: Iterable[nn.Parameter], weight: float) -> None:
        """Replace gradients by the average over all processes, each weighted: all have the same afterwards."""
        if self.count == 1:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        total = self.total(torch.tensor([weight], dtype=torch.float64))
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients]) * (weight / total.item())
        dist.all_reduce(flat)
        for gradient, averaged in zip(gradients, flat.split([gradient.numel() for gradient in gradients]), strict=True):
            gradient.copy_(averaged.view_as(gradient))

    def total(self, values: Tensor) -> Tensor:
        """Sum over all processes."""
        if self.count > 1:
            dist.all_reduce(values)
        return values

    def first(self, value: float) -> float:
        """Value of the leading process, which all get."""
        return float(self.total(torch.tensor([value if self.leads else 0.0], dtype=torch.float64)).item())

    def gather(self, tensor: Tensor) -> list[Tensor]:
        """Tensors of the same shape of all processes, in order."""
        if self.count == 1:
            return [tensor]
        tensors = [torch.empty_like(tensor) for _ in range(self.count)]
        dist.all_gather(tensors, tensor)
        return tensors


@contextmanager
def started_ranks() -> Iterator[Ranks]:
    """Join the other processes if this one was started with others, and leave them at the end."""
    count, meeting = int(os.environ.get("WORLD_SIZE", "1")), os.environ.get(MEETING)
    if count == 1:
        yield Ranks()
        return
    if meeting is None:
        dist.init_process_group("gloo")
    else:
        dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=int(os.environ["RANK"]), world_size=count)
    try:
        yield Ranks(dist.get_rank(), dist.get_world_size())
        dist.barrier()  # all leave together: what one of them meets in leaving must not end another that is still writing
    finally:
        dist.destroy_process_group()
