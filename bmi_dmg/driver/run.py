"""Step a run folder as ngen would, without ngen.

Any Python BMI class can be run so: hour by hour, ours many hours at once too (:mod:`bmi_dmg.driver.stepping`), in this process or split
over several (:mod:`bmi_dmg.driver.parallel`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bmi_dmg.bmi.model import BmiDeltaModel
from bmi_dmg.bmi.quantiles import outputs_with_quantiles
from bmi_dmg.checking.preflight import check_run, is_own
from bmi_dmg.driver.cf import balance_attributes
from bmi_dmg.driver.outputs import OutputSettings, RunOutputs
from bmi_dmg.driver.parallel import run_parts
from bmi_dmg.driver.resume import Resumption, find_resumption
from bmi_dmg.driver.stepping import Example, Passage, chunk_of, run_catchments
from bmi_dmg.run_folder.realization import read_realization
from bmi_dmg.run_plan.claim import claimed
from bmi_dmg.run_plan.lifecycle import RunError, finalize_all, interface_of, working_in
from bmi_dmg.run_plan.plan import RunPlan
from bmi_dmg.run_plan.result_files import DATASET
from dmg_core.errors import ConfigError


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


def run(
    run_folder: str | os.PathLike[str], *, progress: bool = True, resume: bool = False, fast: bool = False, workers: int = 1
) -> RunResult:
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
        Advance all catchments through many hours at once (:mod:`bmi_dmg.driver.fast`): bitwise the same results. The class must be ours;
        the realization's hourly check of the mass balance is left out.
    workers : int
        Processes among which the catchments are divided, with bitwise the same results. Each reads the model for itself. A script that
        asks for several must guard its own start with ``if __name__ == "__main__":``, because they import it.

    Returns
    -------
    RunResult
        Where the results are: the catchment CSV files in the realization's output folder, all catchments in
        ``outputs/catchments.nc``, their calendar days in ``outputs/catchments_daily.nc`` if the class is ours and the run has a whole
        day, and their water budgets in ``outputs/budget.csv`` if the class tells them.

    Raises
    ------
    ConfigError
        If the realization cannot be read, or ``workers`` is less than 1.
    RunFolderError
        If anything else is wrong with the folder; it lists every problem, and nothing has been run.
    StateError
        If the run is to be resumed and there are no restart files of one hour of this run.
    RunError
        If a BMI object raises while it is set up or stepped, does not keep time, or fails a check of its mass balance that the realization
        calls fatal; nothing is written then. Also if one raises while it is finalized; the results are then there. Also if another run is
        writing its results into the same folder.
    WriteError
        If results cannot be written; those of an earlier run are as they were.
    """
    if workers < 1:
        raise ConfigError(f"workers is {workers}; a run needs 1 process at least")
    folder = Path(run_folder).resolve()
    realization = read_realization(folder)
    with working_in(folder, realization.formulation.module_path), ExitStack() as opened:
        opened.enter_context(claimed([realization.output_root, (folder / DATASET).parent]))
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
            attributes={
                "source": realization.formulation.python_type,
                "main_output_variable": plan.exchange.main_output,
                **_balance_of_ours(plan),
            },
            tables=realization.tables,
            **_of_ours(plan),
        )
        advance_bar = opened.enter_context(progress_bar(progress, realization.n_steps))
        passage = Passage(fast, chunk_of(len(plan.catchments.ids)), advance_bar)
        failures = _run(plan, settings, resumption, passage, min(workers, len(plan.catchments.ids)))
    if failures:
        raise RunError("; ".join(failures))
    return RunResult(plan.catchments.ids, realization.n_steps, settings.csv_folder, settings.dataset)


def _of_ours(plan: RunPlan) -> dict[str, Any]:
    """Tell how a class of ours steps, and its outputs; nothing of others."""
    if not isinstance(plan.first_model, BmiDeltaModel):
        return {}
    stepper = plan.first_model.stepper
    steps = stepper.catchment.engine.model.physics.process.steps_per_day
    return {"steps_per_day": steps, "known": outputs_with_quantiles(stepper), "with_rain": plan.exchange.place_of_precipitation is not None}


def _balance_of_ours(plan: RunPlan) -> dict[str, str]:
    """Say for the files of a class of ours what makes up its balance; see :class:`bmi_dmg.results.water_budget.Balance`."""
    if not isinstance(plan.first_model, BmiDeltaModel):
        return {}
    return balance_attributes(plan.first_model.stepper.catchment.engine.model.physics.process)


def _resumption(plan: RunPlan) -> Resumption:
    try:
        if not is_own(plan.construct):
            raise ConfigError(f"{plan.realization.path}: only a run of bmi_dmg.BmiDeltaModel can be resumed")
        return find_resumption(plan.realization, plan.catchments.ids)
    except BaseException:
        finalize_all([(plan.catchments.ids[0], plan.first_model)])
        raise


def _run(plan: RunPlan, settings: OutputSettings, resumption: Resumption | None, passage: Passage, workers: int) -> list[str]:
    """Run all catchments; give what went wrong after their results were written."""
    first = plan.catchments.ids[0], plan.first_model
    try:
        example = Example(first[0], interface_of(plan.first_model))
    except BaseException:
        finalize_all([first])
        raise
    if workers > 1:
        return run_parts(plan, settings, resumption, example, passage, workers)
    return run_catchments(plan, resumption, example, passage, lambda: RunOutputs(settings, plan.catchments))


@contextmanager
def progress_bar(shown: bool, n_steps: int) -> Iterator[Callable[[int], None]]:
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
