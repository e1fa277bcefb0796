"""Step a run folder as ngen would, without ngen.

ngen's order is kept: all catchments for one hour, then all for the next; for each its inputs are set, it is updated, its outputs are read.
Any Python BMI class can be run so. Forcing is read, and results are written, in stretches of hours, so memory does not grow with the run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

import numpy as np
from bmipy import Bmi
from numpy.typing import NDArray

from bmi_dmg.lifecycle import Clock, RunError, finalize_all, initialized, interface_of, working_in
from bmi_dmg.outputs import OutputSettings, RunOutputs
from bmi_dmg.preflight import RunPlan, check_run
from bmi_dmg.realization import STEP_SECONDS, TIME_FORMAT, read_realization

DATASET = Path("outputs") / "catchments.nc"
MAX_CHUNK_HOURS = 720
MIN_CHUNK_HOURS = 24
#: Values of one variable held at a time (8 bytes each).
CHUNK_VALUES = 1_000_000


@dataclass(frozen=True)
class RunResult:
    """What a run has left behind.

    Attributes
    ----------
    catchments : tuple of str
        The catchments, in the order they were stepped.
    n_steps : int
        Hourly steps.
    csv_folder : Path
        Folder of the ``cat-*.csv``.
    dataset : Path
        NetCDF file with the same results.
    """

    catchments: tuple[str, ...]
    n_steps: int
    csv_folder: Path
    dataset: Path


def run(run_folder: str | os.PathLike[str], *, progress: bool = True) -> RunResult:
    """Run all catchments of a run folder from the start time to the end time of its realization.

    The working directory is the run folder while it runs, as in NGIAB, and modules in it can be imported.

    Parameters
    ----------
    run_folder : path
        Folder with ``config/*realization*.json``, BMI configs, forcing and, as a rule, ``config/*.gpkg``.
    progress : bool
        Show a progress bar on stderr.

    Returns
    -------
    RunResult
        Where the results are: the catchment CSV files in the realization's output folder, all catchments in ``outputs/catchments.nc``.

    Raises
    ------
    ConfigError
        If the realization cannot be read.
    RunFolderError
        If anything else is wrong with the folder; it lists every problem, and nothing has been run.
    RunError
        If a BMI object raises while it is set up or stepped, or does not keep time; nothing is written then. Also if one raises while it
        is finalized; the results are then there.
    """
    folder = Path(run_folder).resolve()
    realization = read_realization(folder)
    with working_in(folder, realization.formulation.module_path), ExitStack() as opened:
        plan = check_run(folder, realization)
        opened.callback(plan.forcing.close)
        settings = OutputSettings(
            csv_folder=realization.output_root,
            dataset=folder / DATASET,
            start=realization.start,
            n_steps=realization.n_steps,
            precision=realization.precision,
            outputs=plan.exchange.outputs,
            attributes={"source": realization.formulation.python_type, "main_output_variable": plan.exchange.main_output},
        )
        _run_all(plan, settings, opened.enter_context(_progress_bar(progress, realization.n_steps)))
    return RunResult(plan.catchments.ids, realization.n_steps, settings.csv_folder, settings.dataset)


def _run_all(plan: RunPlan, settings: OutputSettings, advance_bar: Callable[[], None]) -> None:
    """Construct, step and finalize all objects, and write the results."""
    models = [(plan.catchments.ids[0], plan.first_model)]
    finished = False
    try:
        for catchment in plan.catchments.ids[1:]:
            model = initialized(plan.construct, plan.realization.formulation, catchment)
            models.append((catchment, model))
        _check_alike(plan, models)
        with RunOutputs(settings, plan.catchments) as outputs:
            _step_all(plan, models, outputs, advance_bar)
        finished = True
    finally:
        failures = finalize_all(models)
        # After an error in the run that one is raised; those of finalize are in the log.
        if finished and failures:
            raise RunError("; ".join(failures))


def _check_alike(plan: RunPlan, models: Sequence[tuple[str, Bmi]]) -> None:
    """Refuse catchments that ask for other inputs, or end earlier, than the run goes."""
    first, first_interface = models[0][0], interface_of(models[0][1])
    for catchment, model in models:
        if interface_of(model) != first_interface:
            raise RunError(f"{catchment} has other inputs or outputs than {first}; the configs of one run must ask for the same")
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


def _step_all(plan: RunPlan, models: Sequence[tuple[str, Bmi]], outputs: RunOutputs, advance_bar: Callable[[], None]) -> None:
    clocks = [Clock(model) for _, model in models]
    catchments = [
        _Catchment(name, model.set_value, clock.advance(), model.get_value_at_indices)
        for (name, model), clock in zip(models, clocks, strict=True)
    ]
    n_steps = plan.realization.n_steps
    chunk = max(MIN_CHUNK_HOURS, min(MAX_CHUNK_HOURS, CHUNK_VALUES // len(models)))
    for first in range(0, n_steps, chunk):
        n = min(chunk, n_steps - first)
        forcing = _read_inputs(plan, first, n)
        results = [np.zeros((n, len(models)), dtype=output.variable.dtype) for output in plan.exchange.outputs]
        for step in range(n):
            _step_hour(plan, catchments, [block[step] for block in forcing], [block[step] for block in results], first + step)
            advance_bar()
        _check_clocks(models, clocks, first + n)
        outputs.write(first, {output.variable.name: block for output, block in zip(plan.exchange.outputs, results, strict=True)})


def _read_inputs(plan: RunPlan, first_step: int, n_steps: int) -> list[NDArray[np.generic]]:
    """Give each input's values, shape (steps, catchments), in its own unit and type."""
    offset = (plan.realization.start - plan.forcing.start) // timedelta(seconds=STEP_SECONDS)
    blocks: list[NDArray[np.generic]] = []
    for given in plan.exchange.inputs:
        values = plan.forcing.read(given.source, plan.catchments.ids, offset + first_step, n_steps)
        converted = values if given.convert is None else given.convert(values)
        blocks.append(converted.astype(given.variable.dtype, copy=False))
    return blocks


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


@contextmanager
def _progress_bar(shown: bool, n_steps: int) -> Iterator[Callable[[], None]]:
    """Give what is to be called after every hour."""
    if not shown:
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("hours"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("hours", total=n_steps)
        yield lambda: bar.advance(task)
