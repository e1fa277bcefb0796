"""The catchments of one process, from construction to finalize.

ngen's order is kept: all catchments for one hour, then all for the next; for each its inputs are set, it is updated, its outputs are read.
Forcing is read, and results are given away, in stretches of hours, so memory does not grow with the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from itertools import repeat
from typing import NamedTuple, Protocol

import numpy as np
from bmipy import Bmi
from numpy.typing import NDArray

from bmi_dmg.driver.budget_table import BudgetReader, Column
from bmi_dmg.driver.fast import FastRun
from bmi_dmg.driver.mass_check import MassCheck
from bmi_dmg.driver.outputs import Block, Rain
from bmi_dmg.driver.resume import Resumption
from bmi_dmg.run_folder.realization import STEP_SECONDS, TIME_FORMAT
from bmi_dmg.run_plan.lifecycle import Clock, RunError, Variable, finalize_all, initialized, interface_of
from bmi_dmg.run_plan.plan import RunPlan
from dmg_core.errors import DmgError

MAX_CHUNK_HOURS = 720
MIN_CHUNK_HOURS = 24
#: Values of one variable held at a time (8 bytes each).
CHUNK_VALUES = 1_000_000


class Outputs(Protocol):
    """Takes the results; see :class:`bmi_dmg.driver.outputs.RunOutputs`."""

    def write(self, first_step: int, block: Block, rain: Rain) -> None:
        """Take a stretch of hours, and the precipitation that went in, if it is known."""

    def add_budget(self, columns: Sequence[Column]) -> None:
        """Take what is known of the water budget."""


class Example(NamedTuple):
    """The catchment that all others of a run must be like: its id, inputs and names of outputs."""

    id: str
    interface: tuple[tuple[Variable, ...], tuple[str, ...]]


class Passage(NamedTuple):
    """How catchments go through time.

    Attributes
    ----------
    fast : bool
        In stretches, all at once, instead of hour by hour.
    chunk : int
        Hours whose weather and results are held at a time, at most.
    advance_bar : callable
        Called with the hours that have passed.
    """

    fast: bool
    chunk: int
    advance_bar: Callable[[int], None]


def run_catchments(
    plan: RunPlan,
    resumption: Resumption | None,
    example: Example,
    passage: Passage,
    open_outputs: Callable[[], AbstractContextManager[Outputs]],
) -> list[str]:
    """Construct, advance and finalize all objects of a plan, and give their results away.

    Parameters
    ----------
    plan : RunPlan
        The catchments and all they need; its first object is finalized like the others.
    resumption : Resumption or None
        Where they go on, if not from the start.
    example : Example
        What each must be like.
    passage : Passage
        How they go through time.
    open_outputs : callable
        Gives what takes the results; called when all objects are ready.

    Returns
    -------
    list of str
        What went wrong while objects were finalized; the results are there.

    Raises
    ------
    RunError
        If an object raises, does not keep time, or is not like the example. All have been finalized then.
    """
    models = [(plan.catchments.ids[0], plan.first_model)]
    try:
        for catchment in plan.catchments.ids[1:]:
            model = initialized(plan.construct, plan.realization.formulation, catchment)
            models.append((catchment, model))
        if resumption is not None:
            resumption.apply(models)
        _check_alike(plan, models, example)
        budget = BudgetReader(models)
        with open_outputs() as outputs:
            (_run_fast if passage.fast else _step_all)(plan, models, outputs, passage)
            outputs.add_budget(budget.since_start())
    finally:
        # After an error in the run that one is raised; those of finalize are in the log.
        failures = finalize_all(models)
    return failures


def _check_alike(plan: RunPlan, models: Sequence[tuple[str, Bmi]], example: Example) -> None:
    """Refuse catchments that ask for other inputs, or end earlier, than the run goes."""
    for catchment, model in models:
        if interface_of(model) != example.interface:
            raise RunError(f"{catchment} has other inputs or outputs than {example.id}; the configs of one run must ask for the same")
        clock = Clock(model)
        if not plan.realization.formulation.allow_exceed_end_time and model.get_end_time() < clock.after(plan.realization.n_steps):
            raise RunError(
                f"{catchment} ends at {model.get_end_time()} {model.get_time_units()}, before the run does; set allow_exceed_end_time in "
                f"{plan.realization.path} or give the catchment a later end"
            )


class _Catchment(NamedTuple):
    """A catchment's BMI functions, looked up once."""

    id: str
    set_value: Callable[[str, NDArray[np.generic]], None]
    advance: Callable[[], None]
    get_value_at_indices: Callable[[str, NDArray[np.generic], NDArray[np.int_]], NDArray[np.generic]]


def _step_all(plan: RunPlan, models: Sequence[tuple[str, Bmi]], outputs: Outputs, passage: Passage) -> None:
    clocks = [Clock(model) for _, model in models]
    check = MassCheck(plan.realization, models)
    catchments = [
        _Catchment(name, model.set_value, check.around(name, model, clock.advance()), model.get_value_at_indices)
        for (name, model), clock in zip(models, clocks, strict=True)
    ]
    for first, n in _stretches(plan.realization.n_steps, passage.chunk):
        forcing = _read_inputs(plan, first, n)
        results = [np.zeros((n, len(models)), dtype=output.variable.dtype) for output in plan.exchange.outputs]
        for step in range(n):
            _step_hour(plan, catchments, [block[step] for block in forcing], [block[step] for block in results], first + step)
            passage.advance_bar(1)
        _check_clocks(models, clocks, first + n)
        block = {output.variable.name: values for output, values in zip(plan.exchange.outputs, results, strict=True)}
        outputs.write(first, block, _rain(plan, forcing))


def _run_fast(plan: RunPlan, models: Sequence[tuple[str, Bmi]], outputs: Outputs, passage: Passage) -> None:
    names = [output.variable.name for output in plan.exchange.outputs]
    fast = FastRun(models, names)
    for first, n in _stretches(plan.realization.n_steps, fast.whole_saves(passage.chunk)):
        try:
            forcing = _read_inputs(plan, first, n)
            results = fast.advance(forcing)
        except DmgError as error:
            raise RunError(f"failed in the {n} hours from {_when(plan.realization.start, first)}: {error}") from error
        outputs.write(first, dict(zip(names, results, strict=True)), _rain(plan, forcing))
        passage.advance_bar(n)


def chunk_of(catchments: int) -> int:
    """Hours whose weather and results are held at a time, for so many catchments in all processes together."""
    return max(MIN_CHUNK_HOURS, min(MAX_CHUNK_HOURS, CHUNK_VALUES // catchments))


def _stretches(n_steps: int, chunk: int) -> Iterator[tuple[int, int]]:
    """First step and number of steps of each stretch."""
    return ((first, min(chunk, n_steps - first)) for first in range(0, n_steps, chunk))


def _read_inputs(plan: RunPlan, first_step: int, n_steps: int) -> list[NDArray[np.generic]]:
    """Give each input's values, shape (steps, catchments), in its own unit and type."""
    offset = (plan.realization.start - plan.forcing.start) // timedelta(seconds=STEP_SECONDS)
    blocks: list[NDArray[np.generic]] = []
    for given in plan.exchange.inputs:
        values = plan.forcing.read(given.source, plan.catchments.ids, offset + first_step, n_steps)
        converted = values if given.convert is None else given.convert(values)
        blocks.append(converted.astype(given.variable.dtype, copy=False))
    return blocks


def _rain(plan: RunPlan, forcing: Sequence[NDArray[np.generic]]) -> Rain:
    """Pick precipitation, mm/h, from the inputs, where it is known which one that is."""
    place = plan.exchange.place_of_precipitation
    return None if place is None else np.asarray(forcing[place], np.float64)


def _step_hour(
    plan: RunPlan,
    catchments: Sequence[_Catchment],
    forcing: Sequence[NDArray[np.generic]],
    results: Sequence[NDArray[np.generic]],
    step: int,
) -> None:
    """Step all catchments by one hour.

    ``forcing`` and ``results`` hold one array over the catchments for each input and output. Splitting them into arrays of one item is left
    to numpy's and zip's own loops, which keeps the cost per catchment at a few microseconds. Each input is a fresh copy, as in ngen, so
    that a model may keep it; outputs are filled where they are stored.
    """
    input_names = [given.variable.name for given in plan.exchange.inputs]
    output_names = [read.variable.name for read in plan.exchange.outputs]
    index = np.zeros(1, dtype=np.int32)
    given_values = zip(*(map(np.ndarray.copy, row.reshape(-1, 1)) for row in forcing), strict=True) if forcing else repeat(())
    destinations = zip(*(row.reshape(-1, 1) for row in results), strict=True)
    catchment = catchments[0]
    try:
        for catchment, values, places in zip(catchments, given_values, destinations):  # noqa: B905 - given_values may be endless
            for name, value in zip(input_names, values):  # noqa: B905 - the check costs as much as the loop
                catchment.set_value(name, value)
            catchment.advance()
            for name, place in zip(output_names, places):  # noqa: B905
                catchment.get_value_at_indices(name, place, index)
    except Exception as error:
        raise RunError(f"{catchment.id} failed at {_when(plan.realization.start, step)}: {type(error).__name__}: {error}") from error


def _check_clocks(models: Sequence[tuple[str, Bmi]], clocks: Sequence[Clock], n_steps: int) -> None:
    """Make sure that time has advanced as ngen takes for granted: it fetches the forcing for the time the model says."""
    for (catchment, model), clock in zip(models, clocks, strict=True):
        now = model.get_current_time()
        if not np.isclose(now, clock.after(n_steps), rtol=1e-12, atol=1e-6 * clock.step):
            expected = clock.after(n_steps)
            raise RunError(f"{catchment} says the time is {now} {model.get_time_units()} after {n_steps} hours; expected {expected}")


def _when(start: datetime, step: int) -> str:
    return f"time step {step} ({(start + timedelta(seconds=step * STEP_SECONDS)).strftime(TIME_FORMAT)})"
