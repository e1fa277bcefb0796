"""Workers of a Dask cluster: one started for a run on this machine, or one that is there."""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar
from uuid import uuid4

from bmi_dmg.run_plan.lifecycle import RunError
from bmi_dmg.run_plan.result_files import STORE_CHUNK

if TYPE_CHECKING:
    from distributed import Client

#: What must be the same everywhere for results to be the same to the last bit.
_PACKAGES: Final = ("bmi-dmg", "numpy", "torch", "numba")
#: Partitions for each worker: when one is done early, or has died, the others have something to take over.
_PARTITIONS: Final = 4
#: Sizes of partitions are multiples of this where they are larger.
_GRANULE: Final = 64
#: Catchments of a partition, at most: its memory does not grow with a run.
_LARGEST: Final = STORE_CHUNK[0]
#: Seconds that a scheduler has to answer, and workers to come.
ANSWER_SECONDS: Final = 15
WORKER_SECONDS: Final = 60
#: Workers of our own that may die over one partition before it is given up.
_DEATHS: Final = 10
#: Seconds between looks for what has been done.
_LOOK_SECONDS: Final = 0.05
#: Seconds between counts of workers.
_COUNT_SECONDS: Final = 5


@dataclass(frozen=True)
class Workers:
    """Who does the work.

    Attributes
    ----------
    number : int
        Processes on this machine; of no meaning where there is a scheduler.
    scheduler : str or None
        Address of the scheduler of a cluster that is there, such as ``tcp://10.0.0.1:8786``.
    """

    number: int
    scheduler: str | None = None


@dataclass(frozen=True)
class Site:
    """What a worker must have.

    Attributes
    ----------
    folder : Path
        The run folder.
    sources : tuple of Path
        Model folders, and states to start from, that BMI configs name.
    versions : tuple of (str, str)
        Packages and their versions.
    """

    folder: Path
    sources: tuple[Path, ...]
    versions: tuple[tuple[str, str], ...]


@cache
def versions() -> tuple[tuple[str, str], ...]:
    """Give the packages that shape results, and their versions in this process."""
    return tuple((package, version(package)) for package in _PACKAGES)


def require_site(site: Site) -> None:
    """Make sure that this process has what a worker must have.

    Raises
    ------
    RunError
        If it has not; worker and remedy are named.
    """
    worker = f"the worker on {socket.gethostname()} (process {os.getpid()})"
    here = dict(versions())
    for package, wanted in site.versions:
        if here[package] != wanted:
            raise RunError(f"{worker} has {package} {here[package]}, and the run was started with {wanted}; install the same everywhere")
    missing = [path for path in (site.folder, *site.sources) if not path.exists()]
    if missing:
        raise RunError(
            f"{worker} does not find {', '.join(map(str, missing))}; run folder and models must be on a file system that all workers have, "
            "at the same path"
        )


def size_of_partitions(catchments: int, workers: int) -> int:
    """Catchments of a partition, where there are so many of them and so many workers."""
    size = -(-catchments // (workers * _PARTITIONS))
    return size if size <= _GRANULE else min(-(-size // _GRANULE) * _GRANULE, _LARGEST)


class Part(Protocol):
    """What a worker is told to do a part of the work."""

    @property
    def name(self) -> str:
        """Its catchments, for messages."""


P = TypeVar("P", bound=Part)
R = TypeVar("R")


class Cluster:
    """A cluster whose workers have been looked at.

    Parameters
    ----------
    client : distributed.Client
        Its client.
    scheduler : str or None
        Address of its scheduler; None for one of our own, whose workers are started anew when they die.
    """

    def __init__(self, client: Client, scheduler: str | None) -> None:
        self._client, self._name, self._revives = client, scheduler or "of this run", scheduler is None

    @property
    def workers(self) -> int:
        """How many workers there are."""
        return len(self._client.nthreads())

    def completed(self, work: Callable[[P], R], parts: Sequence[P]) -> Iterator[tuple[P, R]]:
        """Have all parts done, and give what comes of them in the order in which they are.

        Parts of a worker that dies are done by others.

        Raises
        ------
        RunError
            If the scheduler is lost, or a part has taken several workers with it.
        """
        from distributed import as_completed

        run = uuid4().hex
        futures = {self._client.submit(work, part, key=f"part-{run}-{number}", pure=False): part for number, part in enumerate(parts)}
        waiting = as_completed(futures)
        while futures:
            for future in self._ended(waiting):
                part = futures.pop(future)
                yield part, self._result(future, part)

    def _ended(self, waiting: Any) -> list[Any]:
        """Give futures that have ended since they were last asked for, as soon as there are some.

        Raises
        ------
        RunError
            If all workers of a cluster of our own are gone, and none comes again.
        """
        looked = seen = monotonic()
        while True:
            ended: list[Any] = waiting.next_batch(block=False)
            if ended:
                return ended
            sleep(_LOOK_SECONDS)
            now = monotonic()
            if self._revives and now - looked > _COUNT_SECONDS:
                looked, seen = now, now if self.workers else seen
                if now - seen > 2 * WORKER_SECONDS:
                    raise RunError("all workers of this run are gone, and no new ones can be started; --resume goes on with what was done")

    def _result(self, future: Any, part: P) -> Any:
        from distributed import CancelledError, KilledWorker

        try:
            return future.result()
        except KilledWorker as error:
            raise RunError(
                f"workers have died over and over with catchments {part.name}, the last one {error.last_worker.address}; if memory is "
                "short, take fewer workers"
            ) from error
        except CancelledError as error:
            raise RunError(f"the scheduler {self._name} is gone; --resume goes on with the partitions that were done") from error


@contextmanager
def connected(workers: Workers, site: Site) -> Iterator[Cluster]:
    """Give a cluster whose workers have been looked at; one of our own ends with the block.

    The working directory is another one in the block.

    Raises
    ------
    RunError
        If the scheduler does not answer, has no workers, or one of them is not as it must be.
    """
    with _away_from_the_run_folder(), _quiet(), ExitStack() as opened:
        client = opened.enter_context(_own_cluster(workers.number) if workers.scheduler is None else _cluster_at(workers.scheduler))
        _look_at_workers(client, site)
        yield Cluster(client, workers.scheduler)


@contextmanager
def _own_cluster(number: int) -> Iterator[Client]:
    import dask
    from distributed import Client, LocalCluster

    settings = {"threads_per_worker": 1, "processes": True, "dashboard_address": ":0", "silence_logs": logging.CRITICAL}
    # A worker that is slow to come again must not be given up, as Dask would after some seconds.
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": _DEATHS, "distributed.deploy.lost-worker-timeout": "1 day"}),
        LocalCluster(n_workers=number, **settings) as cluster,
        Client(cluster) as client,
    ):
        yield client


@contextmanager
def _cluster_at(address: str) -> Iterator[Client]:
    from distributed import Client

    try:
        client = Client(address, timeout=ANSWER_SECONDS)
    except (OSError, TimeoutError, ValueError) as error:
        raise RunError(f"the scheduler {address} does not answer within {ANSWER_SECONDS} s: {error}") from error
    with client:
        try:
            client.wait_for_workers(1, timeout=WORKER_SECONDS)
        except TimeoutError as error:
            raise RunError(f"the scheduler {address} has no workers, and none has come within {WORKER_SECONDS} s") from error
        yield client


def _look_at_workers(client: Client, site: Site) -> None:
    """Refuse workers that are not as they must be, before any work is done; those that come later are looked at with each partition."""
    for address, threads in client.nthreads().items():
        if threads != 1:
            raise RunError(f"the worker {address} has {threads} threads; start workers with one each: dask worker --nthreads 1")
    for address, found in client.run(require_site, site, on_error="return").items():
        if isinstance(found, RunError):
            raise found
        if isinstance(found, BaseException):
            raise RunError(f"the worker {address} cannot take part: {type(found).__name__}: {found}") from found
    client.run(_leave_interrupts_to_others)


def _leave_interrupts_to_others() -> None:
    """Ignore Ctrl-C, which a terminal tells all processes: the one that divides the run ends its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what Dask logs of workers that come and go from people: what matters of it is told as an error of the run."""
    import distributed  # noqa: F401 - its import sets levels

    logger = logging.getLogger("distributed")
    before: Any = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextmanager
def _away_from_the_run_folder() -> Iterator[None]:
    """Work elsewhere: processes that are started look for Python's own modules in the working directory first."""
    before = Path.cwd()
    os.chdir(before.anchor)
    try:
        yield
    finally:
        os.chdir(before)
