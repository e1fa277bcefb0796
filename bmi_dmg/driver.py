"""Step a run folder as ngen would, without ngen.

ngen's order is kept: all catchments for one hour, then all for the next; for each its inputs are set, it is updated, its outputs are read.
Any Python BMI class can be run so. Forcing is read, and results are written, in stretches of hours, so memory does not grow with the run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

import numpy as np
from bmipy import Bmi
from numpy.typing import NDArray

from bmi_dmg.budget_table import BudgetReader
from bmi_dmg.fast import FastRun
from bmi_dmg.lifecycle import Clock, RunError, finalize_all, initialized, interface_of, working_in
from bmi_dmg.mass_check import MassCheck
from bmi_dmg.outputs import OutputSettings, RunOutputs
from bmi_dmg.preflight import RunPlan, check_run, is_own
from bmi_dmg.realization import STEP_SECONDS, TIME_FORMAT, read_realization
from bmi_dmg.resume import Resumption, find_resumption
from dmg_core.errors import ConfigError, DmgError

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


def run(run_folder: str | os.PathLike[str], *, progress: bool = True, resume: bool = False, fast: bool = False) -> RunResult:
    """Run all catchments of a run folder from the start time to the end time of its realization.

    The working directory is the run folder while it runs, as in NGIAB, and modules in it can be imported.

    Parameters
    ----------
    run_folder : path
        Folder with ``config/*realization*.json``, BMI configs, forcing and, as a rule, ``config/*.gpkg``.
    progress : bool
        Show a progress bar on stderr.
    resume : bool
        Go on from the newest restart files that the catchments of an interrupted run have written; results are those of the hours run now.
    fast : bool
        Advance all catchments through many hours at once (:mod:`bmi_dmg.fast`): bitwise the same results. The class must be ours; the
        realization's hourly check of the mass balance is left out.

    Returns
    -------
    RunResult
        Where the results are: the catchment CSV files in the realization's output folder, all catchments in ``outputs/catchments.nc``, and
        their water budgets in ``outputs/budget.csv`` if the class tells them.

    Raises
    ------
    ConfigError
        If the realization cannot be read.
    RunFolderError
        If anything else is wrong with the folder; it lists every problem, and nothing has been run.
    StateError
        If the run is to be resumed and there are no restart files of one hour of this run.
    RunError
        If a BMI object raises while it is set up or stepped, does not keep time, or fails a check of its mass balance that the realization
        calls fatal; nothing is written then. Also if one raises while it is finalized; the results are then there.
    """
    folder = Path(run_folder).resolve()
    realization = read_realization(folder)
    with working_in(folder, realization.formulation.module_path), ExitStack() as opened:
        plan = check_run(folder, realization)
        opened.callback(plan.forcing.close)
        resumption = _resumption(plan) if resume else None
        if resumption is not None:
            realization = replace(realization, start=resumption.time)
            plan = replace(plan, realization=realization)
        settings = OutputSettings(
            csv_folder=realization.output_root,
            dataset=folder / DATASET,
            start=realization.start,
            n_steps=realization.n_steps,
            precision=realization.precision,
            outputs=plan.exchange.outputs,
            attributes={"source": realization.formulation.python_type, "main_output_variable": plan.exchange.main_output},
        )
        advance_bar = opened.enter_context(_progress_bar(progress, realization.n_steps))
        _run_all(plan, settings, resumption, partial(_run_fast if fast else _step_all, advance_bar=advance_bar))
    return RunResult(plan.catchments.ids, realization.n_steps, settings.csv_folder, settings.dataset)


def _resumption(plan: RunPlan) -> Resumption:
    try:
        if not is_own(plan.construct):
            raise ConfigError(f"{plan.realization.path}: only a run of bmi_dmg.BmiDeltaModel can be resumed")
        return find_resumption(plan.realization, plan.catchments.ids)
    except BaseException:
        finalize_all([(plan.catchments.ids[0], plan.first_model)])
        raise


@contextmanager
def _progress_bar(shown: bool, n_steps: int) -> Iterator[Callable[[int], None]]:
    """Give what is to be called with the hours that have passed."""
    if not shown:
        yield lambda _hours: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("hours"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("hours", total=n_steps)
        yield lambda hours: bar.advance(task, hours)
