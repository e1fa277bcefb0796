"""Warm starts and restart files: the states of catchments, taken from BMI objects and given back to them."""

from __future__ import annotations

import glob
import logging
import os
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from threading import Lock, RLock
from typing import Any, Final, TypeVar
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt

from bmi_dmg.config.bmi_config import BmiConfig, CheckpointSettings
from dmg_core.engine.identity import Identity
from dmg_core.engine.state import States, read_times
from dmg_core.engine.turns import in_turn
from dmg_core.errors import ConfigError, StateError

Array = npt.NDArray[Any]
T = TypeVar("T")

#: By hour: which file has the state of which catchment.
Holdings = dict[datetime, dict[str, Path]]

_log = logging.getLogger(__name__)

#: How restart files are named: time of the next hour, and the rank of the process where there are several.
_FILE_TIME: Final = "%Y%m%dT%H"
_FILE_NAME: Final = re.compile(r"state_(\d{8}T\d{2})(_rank\d+)?\.safetensors")

#: Where a run that is divided into partitions tells the process that runs one which it is.
PART_VARIABLE: Final = "BMI_DMG_PART"
#: Where MPI libraries tell a process its rank.
_RANK_VARIABLES: Final = (PART_VARIABLE, "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID")


def states_of(identity: Identity, catchments: Mapping[str, tuple[datetime, Mapping[str, Array]]]) -> States:
    """Put the states of single catchments together.

    Parameters
    ----------
    identity : Identity
        Their model.
    catchments : mapping of str to (datetime, mapping of str to ndarray)
        By id: start of the next hour, and the arrays of one catchment.
    """
    rows = [arrays for _, arrays in catchments.values()]
    return States(
        identity=identity,
        ids=tuple(catchments),
        times=tuple(time.isoformat() for time, _ in catchments.values()),
        arrays={name: np.stack([row[name] for row in rows]) for name in rows[0]},
    )


def state_of(states: States, catchment_id: str, where: str) -> tuple[datetime, dict[str, Array]]:
    """Give the time and the arrays of one catchment; see :func:`states_of`.

    Raises
    ------
    StateError
        If there is no such catchment, or its time is none.
    """
    row = states.row_of(catchment_id, where)
    return _time(states.times[row], catchment_id, where), {name: array[row] for name, array in states.arrays.items()}


def _time(text: str, catchment_id: str, where: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise StateError(f"{where}: the time of {catchment_id}, {text!r}, is none") from error


def find_state(source: Path, catchment_id: str) -> tuple[Path, States] | None:
    """Look for the state of a catchment.

    Parameters
    ----------
    source : Path
        A restart file; or several: a folder of them, or a name with ``*``. Of several the newest hour counts of which there is a state
        of every catchment that they hold, so that all catchments of a domain start at one hour.
    catchment_id : str
        The catchment.

    Returns
    -------
    tuple of Path and States, or None
        The file that has it.

    Raises
    ------
    StateError
        If there are no files, one cannot be read, or there is no such hour.
    """
    files = _files(source)
    if len(files) == 1:
        file: Path | None = files[0]
    else:
        file = _complete_hour(source, tuple((file, *_stamp(file)) for file in files)).get(catchment_id)
    if file is None:
        return None
    states = _read(file, *_stamp(file))
    return (file, states) if catchment_id in states.row_by_id else None


def _stamp(file: Path) -> tuple[int, int]:
    """Give what changes when a file does: its time and its size."""
    try:
        status = file.stat()
    except OSError as error:
        raise StateError(f"{file}: the initial state cannot be read: {error}") from error
    return status.st_mtime_ns, status.st_size


@lru_cache(maxsize=4)
def _complete_hour(source: Path, stamped: tuple[tuple[Path, int, int], ...]) -> dict[str, Path]:
    """Choose the hour from which all catchments in several files start, once for all of them; tell it if it is not the newest."""
    holdings = holdings_of([file for file, _, _ in stamped])
    everyone = {catchment: None for by_catchment in holdings.values() for catchment in by_catchment}
    newest = max(holdings)
    lacking = [catchment for catchment in everyone if catchment not in holdings[newest]]
    if not lacking:
        return holdings[newest]
    some = ", ".join(lacking[:5]) + (f" and {len(lacking) - 5} more" if len(lacking) > 5 else "")
    time = newest_complete(holdings, everyone)
    if time is None:
        raise StateError(
            f"{source}: there is no hour of which all {len(everyone)} catchments in the restart files have a state; of the newest, "
            f"{newest}, there is none of {some}; remove the files that are not of this run, or name one file"
        )
    _log.warning(f"{source}: of the newest hour, {newest}, there is no state of {some}; all catchments start from {time}")
    return holdings[time]


def holdings_of(files: Iterable[Path]) -> Holdings:
    """Tell of which hours and catchments some files have states.

    Of several files that have the same one, that which was written last counts: restart files of a run with more ranks may lie beside it.

    Raises
    ------
    StateError
        If a file cannot be read.
    """
    holdings: Holdings = {}
    for file in sorted(files, key=lambda file: _stamp(file)[0], reverse=True):
        for catchment, text in read_times(file).items():
            holdings.setdefault(_time(text, catchment, str(file)), {}).setdefault(catchment, file)
    return holdings


def newest_complete(holdings: Mapping[datetime, Collection[T]], wanted: Collection[T]) -> datetime | None:
    """Give the newest hour of which there is everything wanted, if there is one.

    The processes of a run do not write their files together, so the newest file of one may be of a later hour than that of another.
    """
    complete = [time for time, held in holdings.items() if all(one in held for one in wanted)]
    return max(complete, default=None)


@lru_cache(maxsize=64)
def _read(file: Path, modified: int, size: int) -> States:  # noqa: ARG001  # a file that has changed is another one
    """Read a file once for all the catchments of a process that start from it."""
    return States.read(file)


def _restart_files(folder: Path) -> list[re.Match[str]]:
    return [match for match in (_FILE_NAME.fullmatch(file.name) for file in folder.iterdir()) if match]


def restart_files(folder: Path) -> list[Path]:
    """List the restart files of a folder.

    Raises
    ------
    StateError
        If there are none.
    """
    files = [folder / match[0] for match in _restart_files(folder)] if folder.is_dir() else []
    if not files:
        raise StateError(f"{folder}: there is no restart file")
    return sorted(files)


def _files(source: Path) -> list[Path]:
    if source.is_dir():
        return restart_files(source)
    files = sorted(Path(name) for name in glob.glob(str(source))) if "*" in str(source) else [source]  # noqa: PTH207  # may be absolute
    if not files:
        raise StateError(f"{source}: there is no restart file")
    return files


class Checkpoints:
    """Writes the states of all catchments of a process whenever they have all come to a time that is due.

    States wait for the catchments that lag behind, of as many of the newest times as files are kept, and not more: beyond that the oldest
    is dropped, which would not be kept either, and a warning names who lags. Threads take turns.

    Parameters
    ----------
    folder : Path
        Where the files go; it is made.
    every : int
        Hours between files.
    keep : int
        How many of the newest files stay.
    terms : mapping of str to object
        What all catchments that write to the folder must have in common.

    Raises
    ------
    StateError
        If the folder cannot be written to.
    """

    def __init__(self, folder: Path, every: int, keep: int, terms: Mapping[str, object]) -> None:
        self.every = every
        self.terms = terms
        self._rank = next((f"_rank{os.environ[name]}" for name in _RANK_VARIABLES if os.environ.get(name, "").isdecimal()), "")
        # The processes of a run may be one file apart; each keeps one that all have.
        self._folder, self._keep = folder, max(keep, 2) if self._rank else keep
        self.lock = RLock()
        self._members: set[str] = set()
        self._has_dropped = False
        self._arrived: dict[datetime, dict[str, tuple[datetime, Mapping[str, Array]]]] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            probe = folder / f".probe{os.getpid()}"
            probe.write_bytes(b"")
            probe.unlink()
            for unfinished in folder.glob(f".state_*{self._rank}.safetensors.*.tmp"):  # of a process of this rank that was killed
                unfinished.unlink(missing_ok=True)
        except OSError as error:
            raise StateError(f"{folder}: restart files cannot be written there: {error}") from error

    @in_turn
    def is_alone(self, catchment_id: str | None) -> bool:
        """Whether no other catchment than this one is waited for."""
        return self._members <= {catchment_id}

    @in_turn
    def require_free(self, catchment_id: str, instead_of: str | None) -> None:
        """Refuse a name that another catchment has than the one that is to be replaced.

        Raises
        ------
        StateError
            If one of that name is there already.
        """
        if catchment_id in self._members - {instead_of}:
            raise StateError(f"{self._folder}: two catchments of this process are called {catchment_id}; their states would be one")

    @in_turn
    def join(self, catchment_id: str) -> None:
        """Wait for this catchment, too."""
        self._members.add(catchment_id)

    @in_turn
    def leave(self, catchment_id: str) -> None:
        """Wait for this catchment no longer."""
        self._members.discard(catchment_id)

    @in_turn
    def arrive(self, identity: Identity, catchment_id: str, time: datetime, state: Mapping[str, Array]) -> None:
        """Take the state of a catchment at a time that is due, and write the file if it was the last one.

        Raises
        ------
        StateError
            If the file cannot be written; earlier files are untouched.
        """
        there = self._arrived.setdefault(time, {})
        there[catchment_id] = (time, state)
        if self._members <= there.keys():
            states_of(identity, there).write(self._folder / f"state_{time.strftime(_FILE_TIME)}{self._rank}.safetensors")
            self._arrived = {later: states for later, states in self._arrived.items() if later > time}
            self._remove_old()
        elif len(self._arrived) > self._keep:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        time = min(self._arrived)
        dropped = self._arrived.pop(time)
        if not self._has_dropped:
            lagging = sorted(self._members - dropped.keys())
            named = ", ".join(lagging[:5]) + (" …" if len(lagging) > 5 else "")
            _log.warning(
                "%s: there is no restart file of %s, because %d of %d catchments lag behind (%s): states of the newest %d times wait for "
                "them, older ones are dropped (told once)",
                self._folder, time, len(lagging), len(self._members), named, self._keep,
            )  # fmt: skip
        self._has_dropped = True

    def _remove_old(self) -> None:
        matches = [match for match in _restart_files(self._folder) if (match[2] or "") == self._rank]
        for match in sorted(matches, key=lambda match: match[1])[: -self._keep]:
            (self._folder / match[0]).unlink(missing_ok=True)


_shared: WeakValueDictionary[Path, Checkpoints] = WeakValueDictionary()
_lock = Lock()


def shared_checkpoints(config: BmiConfig, settings: CheckpointSettings, instead_of: str | None) -> Checkpoints:
    """Return the one writer of this process for a folder.

    Parameters
    ----------
    config : BmiConfig
        Of the catchment that is to join.
    settings : CheckpointSettings
        Its folder and when it is written.
    instead_of : str or None
        Catchment that the one to join takes the place of.

    Raises
    ------
    ConfigError
        If catchments whose states cannot go into the same files are to share a folder.
    StateError
        If the folder cannot be written to.
    """
    folder = settings.path.resolve()
    terms = {
        "model_dir": str(config.model_dir.resolve()),
        "dtype": config.dtype,
        "pet_method": config.pet_method,
        "start_time": config.start_time,
        "warmup": config.coupling,
        "assimilation.window": None if config.assimilation is None else config.assimilation.window,
        "checkpoint.every": settings.every,
        "checkpoint.keep": settings.keep,
    }
    with _lock:
        return _shared_writer(config, settings, folder, terms, instead_of)


def _shared_writer(
    config: BmiConfig, settings: CheckpointSettings, folder: Path, terms: dict[str, object], instead_of: str | None
) -> Checkpoints:
    writer = _shared.get(folder)
    if writer is not None and writer.terms != terms and not writer.is_alone(instead_of):
        differing = ", ".join(f"{key} is {value}, not {writer.terms[key]}" for key, value in terms.items() if value != writer.terms[key])
        raise ConfigError(f"{config.path}: other catchments write restart files to {folder}, and {differing}; use another folder")
    if writer is None or writer.terms != terms:
        writer = _shared[folder] = Checkpoints(folder, settings.every, settings.keep, terms)
    return writer
