"""A run divided among processes: each takes a part of the catchments through all hours, with bitwise the results of one process.

The parts write the tables of their catchments into the hidden folder of unfinished results and send all else to the process that started
them, which writes the NetCDF file. Only that one moves results to their place, when all parts have ended well.
"""

from __future__ import annotations

import ctypes
import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import pairwise
from logging.handlers import QueueHandler
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.bmi.model import BmiDeltaModel
from bmi_dmg.bmi.restart import PART_VARIABLE
from bmi_dmg.checking.preflight import input_of
from bmi_dmg.driver.budget_table import Column
from bmi_dmg.driver.outputs import Block, CsvTables, OutputSettings, Rain, RunOutputs
from bmi_dmg.driver.resume import Resumption
from bmi_dmg.driver.stepping import Example, Passage, run_catchments
from bmi_dmg.logs import capture_warnings
from bmi_dmg.run_folder.forcing_reader import ForcingReader
from bmi_dmg.run_folder.forcings import open_forcing
from bmi_dmg.run_folder.hydrofabric import Catchments
from bmi_dmg.run_folder.realization import Realization
from bmi_dmg.run_plan.lifecycle import RunError, finalize_all, initialized, load_class, working_in
from bmi_dmg.run_plan.plan import Exchange, RunPlan
from dmg_core.errors import DmgError

_BAR_SECONDS: Final = 0.2
_LOCKSTEP_SECONDS: Final = 0.002


#: Hours that each part has passed, in memory that all processes see.
Hours = ctypes.Array[ctypes.c_longlong]


@dataclass(frozen=True)
class Part:
    """What a process is told; every field can be sent to it.

    Attributes
    ----------
    rank : int
        Number of the part, from 0.
    place : slice
        Its catchments among all.
    ids : tuple of str
        Their ids.
    folder : Path
        The run folder.
    realization : Realization
        The run.
    settings : OutputSettings
        Of the results.
    tables_folder : Path
        Where the CSV files are to be written.
    example : Example
        What each catchment must be like.
    main_output : str
        BMI name of the runoff.
    resumption : Resumption or None
        Where its catchments go on, if not from the start.
    fast, chunk
        See :class:`bmi_dmg.driver.stepping.Passage`.
    hours_between_saves : int or None
        Hours between restart files, if any are written.
    """

    rank: int
    place: slice
    ids: tuple[str, ...]
    folder: Path
    realization: Realization
    settings: OutputSettings
    tables_folder: Path
    example: Example
    main_output: str
    resumption: Resumption | None
    fast: bool
    chunk: int
    hours_between_saves: int | None

    @property
    def name(self) -> str:
        """The catchments, for messages."""
        return self.ids[0] if len(self.ids) == 1 else f"{self.ids[0]} to {self.ids[-1]}"


class _Stretch(NamedTuple):
    """Message: results of some hours."""

    first_step: int
    block: dict[str, NDArray[np.generic]]
    rain: Rain


class _End(NamedTuple):
    """Message: the part has ended well, but for what went wrong while its objects were finalized."""

    budget: Sequence[Column]
    failures: list[str]


def run_parts(
    plan: RunPlan, settings: OutputSettings, resumption: Resumption | None, example: Example, passage: Passage, workers: int
) -> list[str]:
    """Run the catchments of a plan in several processes; the working directory must be the run folder.

    Parameters
    ----------
    plan : RunPlan
        The run. Its first object is finalized: the processes make their own.
    settings : OutputSettings
        Of the results.
    resumption, example, passage
        See :func:`bmi_dmg.driver.stepping.run_catchments`.
    workers : int
        Number of processes, at most that of the catchments.

    Returns
    -------
    list of str
        What went wrong while objects were finalized; the results are there.

    Raises
    ------
    DmgError
        What a part has raised, or a :class:`bmi_dmg.run_plan.lifecycle.RunError` if its process has ended before the part did. No
        process is left then, and no result.
    """
    every = plan.first_model.hours_between_saves if isinstance(plan.first_model, BmiDeltaModel) else None
    # What goes wrong here goes wrong in the first part, too, and is told by it.
    finalize_all([(plan.catchments.ids[0], plan.first_model)])
    with RunOutputs(settings, plan.catchments) as outputs:
        parts = [
            Part(
                rank,
                place,
                ids := plan.catchments.ids[place],
                Path.cwd(),
                plan.realization,
                settings,
                outputs.tables_folder,
                example,
                plan.exchange.main_output,
                None if resumption is None else resumption.of(ids),
                passage.fast,
                passage.chunk,
                every,
            )
            for rank, place in enumerate(_places(len(plan.catchments.ids), workers))
        ]
        ends = _run_processes(parts, outputs, passage.advance_bar)
        outputs.add_budget(_joined([end.budget for end in ends], parts))
    return [failure for end in ends for failure in end.failures]


def _places(catchments: int, workers: int) -> list[slice]:
    """Divide catchments, in their order, as evenly as possible."""
    bounds = [catchments * part // workers for part in range(workers + 1)]
    return [slice(first, end) for first, end in pairwise(bounds)]


def _joined(budgets: Sequence[Sequence[Column]], parts: Sequence[Part]) -> list[Column]:
    """Put the water budgets of the parts together."""
    names = [[(column.name, column.units) for column in budget] for budget in budgets]
    for part, own in zip(parts, names, strict=True):
        if own != names[0]:
            raise RunError(f"{part.name}: the terms of the water budget are not those of {parts[0].name}")
    return [
        Column(name, units, np.concatenate([budget[place].values for budget in budgets])) for place, (name, units) in enumerate(names[0])
    ]


def _run_processes(parts: Sequence[Part], outputs: RunOutputs, advance_bar: Callable[[int], None]) -> list[_End]:
    """Start a process for each part and take in what they send, until all have ended."""
    context = multiprocessing.get_context("spawn")
    hours: Hours = context.RawArray("q", len(parts))
    ends: dict[int, _End] = {}
    told: set[tuple[str, str]] = set()
    shown = 0
    with _processes(context, parts, hours) as processes:
        open_ends = {connection: part for part, (connection, _) in zip(parts, processes, strict=True)}
        while open_ends:
            for ready in wait(list(open_ends), timeout=_BAR_SECONDS):
                part = open_ends[ready]  # type: ignore[index]  # of what wait may be given, these are connections
                message = _receive(ready)  # type: ignore[arg-type]
                if message is None:
                    _check_ended(part, processes[part.rank][1], part.rank in ends)
                    del open_ends[ready]  # type: ignore[arg-type]
                elif isinstance(message, _End):
                    ends[part.rank] = message
                else:
                    _take(message, part, outputs, told)
            passed = sum(hours) // len(parts)
            advance_bar(passed - shown)
            shown = passed
    return [ends[part.rank] for part in parts]


def _receive(connection: Connection) -> object:
    """Give the next message; None if there will be no more."""
    try:
        message: object = connection.recv()
    except (EOFError, ConnectionResetError):
        return None
    return message


def _take(message: object, part: Part, outputs: RunOutputs, told: set[tuple[str, str]]) -> None:
    """Write results, pass on what is logged, raise what was raised."""
    if isinstance(message, _Stretch):
        outputs.write_dataset(message.first_step, message.block, message.rain, part.place)
    elif isinstance(message, logging.LogRecord):
        words = message.name, message.getMessage()
        if words not in told:  # what several parts say in the same words is told once
            told.add(words)
            logging.getLogger(message.name).handle(message)
    elif isinstance(message, DmgError):
        raise message


def _check_ended(part: Part, process: SpawnProcess, ended: bool) -> None:
    """Make sure that a process that sends no more has done its part."""
    process.join()
    if not ended:
        code = process.exitcode or 0
        how = f"by signal {-code} ({signal.strsignal(-code)})" if code < 0 else f"with exit status {code}; what it says stands above"
        hint = "; if memory is short, take fewer workers" if code == -signal.SIGKILL else ""
        raise RunError(f"the process of catchments {part.name} was ended {how}{hint}")


@contextmanager
def _processes(
    context: multiprocessing.context.SpawnContext, parts: Sequence[Part], hours: Hours
) -> Iterator[list[tuple[Connection, SpawnProcess]]]:
    """Start the processes; none is left after the block."""
    started: list[tuple[Connection, SpawnProcess]] = []
    try:
        with _away_from_the_run_folder(), _interrupts_blocked():
            for part in parts:
                ours, theirs = context.Pipe(duplex=False)
                process = context.Process(target=_run_part, args=(part, theirs, hours, logging.getLogger().level), daemon=True)
                started.append((ours, process))
                process.start()
                theirs.close()
        yield started
    finally:
        for connection, process in started:
            if process.pid is not None:
                process.terminate()
                process.join()
            connection.close()


@contextmanager
def _away_from_the_run_folder() -> Iterator[None]:
    """Start processes elsewhere: Python looks for its own modules in the working directory before it has been told where to look."""
    before = Path.cwd()
    os.chdir(before.anchor)
    try:
        yield
    finally:
        os.chdir(before)


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Let processes started in the block know nothing of Ctrl-C: the one that started them ends them."""
    resource_tracker.ensure_running()  # it would be started with the first process, and unblock the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _ToParent(QueueHandler):
    """Sends log records instead of telling them."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)  # type: ignore[arg-type]  # only enqueue uses it

    def enqueue(self, record: logging.LogRecord) -> None:
        self.queue.send(record)  # type: ignore[attr-defined]


class _PartOutputs:
    """Takes the results of a part: writes the tables, sends the rest."""

    def __init__(self, part: Part, connection: Connection) -> None:
        self._tables = CsvTables(part.tables_folder, part.settings, part.ids)
        self._connection = connection
        self.budget: Sequence[Column] = ()

    def write(self, first_step: int, block: Block, rain: Rain) -> None:
        self._tables.write(first_step, block)
        self._connection.send(_Stretch(first_step, dict(block), rain))

    def add_budget(self, columns: Sequence[Column]) -> None:
        self.budget = columns


def _run_part(part: Part, connection: Connection, hours: Hours, log_level: int) -> None:
    """Do a part; this is what a process runs."""
    os.environ[PART_VARIABLE] = str(part.rank)
    root = logging.getLogger()
    root.addHandler(_ToParent(connection))
    root.setLevel(log_level)
    capture_warnings()
    realization, outputs = part.realization, _PartOutputs(part, connection)
    try:
        with (
            working_in(part.folder, realization.formulation.module_path),
            closing(open_forcing(realization.forcing, part.ids)) as forcing,
        ):
            passage = Passage(part.fast, part.chunk, _Counter(part, hours).advance)
            failures = run_catchments(_plan(part, forcing), part.resumption, part.example, passage, lambda: nullcontext(outputs))
        connection.send(_End(outputs.budget, failures))
    except DmgError as error:
        connection.send(error)


def _plan(part: Part, forcing: ForcingReader) -> RunPlan:
    """Repeat what a look at the folder has found, without the look."""
    formulation = part.realization.formulation
    construct = load_class(formulation.python_type)
    inputs = tuple(input_of(variable, formulation, forcing) for variable in part.example.interface[0])
    exchange = Exchange(inputs, tuple(part.settings.outputs), part.main_output)
    first_model = initialized(construct, formulation, part.ids[0])
    return RunPlan(part.realization, Catchments(part.ids), forcing, construct, first_model, exchange)


class _Counter:
    """Counts the hours of a part, and keeps the parts together where they write restart files.

    A part waits for the others after each of its files, so that the newest that all have is never older than their last but one.
    """

    def __init__(self, part: Part, hours: Hours) -> None:
        self._rank, self._every, self._hours = part.rank, part.hours_between_saves, hours

    def advance(self, hours: int) -> None:
        """Count hours that have passed."""
        before = self._hours[self._rank]
        self._hours[self._rank] = now = before + hours
        if self._every is not None and now // self._every > before // self._every:
            self._wait_for_others(now // self._every * self._every)

    def _wait_for_others(self, due: int) -> None:
        parent = multiprocessing.parent_process()
        while min(self._hours) < due:
            if parent is not None and not parent.is_alive():
                raise RunError("the process that has started this one is gone")
            time.sleep(_LOCKSTEP_SECONDS)
