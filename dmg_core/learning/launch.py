"""Start the processes that train one model together on this machine.

``torchrun`` can do it too, and for several machines. On one, its agent keeps threads of its own for meetings of machines. Where such a
thread is in C++ code when the interpreter ends, the process aborts ("terminate called without an active exception") after a training that
went well. Here nothing but the processes themselves runs, and they meet at a file.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from dmg_core.learning.ranks import MEETING

#: Seconds between looks at the processes.
_LOOK: Final = 0.1

Process = subprocess.Popen[bytes]


def launch(command: Sequence[str], count: int) -> int:
    """Run a command in several processes at once, which :func:`dmg_core.learning.ranks.started_ranks` then joins.

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
