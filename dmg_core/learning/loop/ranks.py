"""The processes that train one model together, as :func:`launch` or ``torchrun`` starts them; one is a special case."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor, nn

#: Environment variable that names the file at which processes of one machine meet.
MEETING: Final = "DMG_MEETING"
#: Seconds between looks at the processes.
_LOOK: Final = 0.1

Process = subprocess.Popen[bytes]


@dataclass(frozen=True)
class Ranks:
    """One process among those that train together.

    Attributes
    ----------
    rank : int
        Its number; 0 writes the files.
    count : int
        How many there are.
    place : int
        Its number among those of its machine.
    """

    rank: int = 0
    count: int = 1
    place: int = 0

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
def started_ranks(device: str = "cpu") -> Iterator[Ranks]:
    """Join the other processes if this one was started with others, and leave them at the end; ``device`` is what they work on."""
    count, meeting = int(os.environ.get("WORLD_SIZE", "1")), os.environ.get(MEETING)
    if count == 1:
        yield Ranks()
        return
    backend = "gloo" if device == "cpu" else "cpu:gloo,cuda:nccl"
    if meeting is None:
        dist.init_process_group(backend)
    else:
        dist.init_process_group(backend, init_method=f"file://{meeting}", rank=int(os.environ["RANK"]), world_size=count)
    try:
        yield Ranks(dist.get_rank(), dist.get_world_size(), int(os.environ.get("LOCAL_RANK", dist.get_rank())))
        dist.barrier()  # all leave together: what one of them meets in leaving must not end another that is still writing
    finally:
        dist.destroy_process_group()


def launch(command: Sequence[str], count: int) -> int:
    """Run a command in several processes of this machine at once, which :func:`started_ranks` then joins.

    ``torchrun`` can do it too, and for several machines. On one, its agent keeps threads of its own for meetings of machines. Where such a
    thread is in C++ code when the interpreter ends, the process aborts ("terminate called without an active exception") after a training
    that went well. Here nothing but the processes themselves runs, and they meet at a file.

    Parameters
    ----------
    command : sequence of str
        Program and arguments, the same for all.
    count : int
        How many processes.

    Returns
    -------
    int
        0 when all have ended well; otherwise the exit status of the first that has not, and the others have been ended. Standard output and
        standard error are those of the first process; of another, standard error is told if it is the one that failed.
    """
    with TemporaryDirectory(prefix="training-") as folder, _ended() as started:
        for rank in range(count):
            environment = {**os.environ, "RANK": str(rank), "WORLD_SIZE": str(count), MEETING: str(Path(folder) / "meeting")}
            started.append(_start(command, environment, None if rank == 0 else Path(folder) / f"stderr-{rank}"))
        failed = _wait(started)
        if failed is None:
            return 0
        if failed > 0:
            sys.stderr.write((Path(folder) / f"stderr-{failed}").read_text(encoding="utf-8", errors="replace"))
        return started[failed].returncode


def _start(command: Sequence[str], environment: dict[str, str], told: Path | None) -> Process:
    """Start a process that knows nothing of Ctrl-C: the one that started it ends it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        if told is None:
            return subprocess.Popen(command, env=environment)
        with told.open("wb") as stream:
            return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=stream)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _ended() -> Iterator[list[Process]]:
    """Give a list of processes of which none is left after the block."""
    started: list[Process] = []
    try:
        yield started
    finally:
        for process in started:
            if process.poll() is None:
                process.terminate()
            process.wait()


def _wait(started: Sequence[Process]) -> int | None:
    """Wait for all to end well; give the rank of the first that does not."""
    while True:
        statuses = [process.poll() for process in started]
        for rank, status in enumerate(statuses):
            if status:
                return rank
        if None not in statuses:
            return None
        time.sleep(_LOOK)
