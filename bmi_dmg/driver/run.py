"""Step a run folder as ngen would, without ngen.

Any Python BMI class can be run so: hour by hour, ours many hours at once too (:mod:`bmi_dmg.driver.stepping`), in this process or by
workers of a Dask cluster (:mod:`bmi_dmg.driver.distributed`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bmi_dmg.bmi.model import BmiDeltaModel
from bmi_dmg.bmi.quantiles import outputs_with_quantiles
from bmi_dmg.checking.preflight import check_run, is_own
from bmi_dmg.driver.cf import balance_attributes
from bmi_dmg.driver.distributed import run_partitions
from bmi_dmg.driver.outputs import RunOutputs
from bmi_dmg.driver.resume import Resumption, find_resumption
from bmi_dmg.driver.settings import OutputSettings
from bmi_dmg.driver.stepping import Example, Passage, chunk_of, run_catchments
from bmi_dmg.driver.unfinished import UNFINISHED, Unfinished
from bmi_dmg.run_folder.realization import read_realization
from bmi_dmg.run_plan.claim import claimed
from bmi_dmg.run_plan.lifecycle import RunError, finalize_all, interface_of, working_in
from bmi_dmg.run_plan.plan import RunPlan
from bmi_dmg.run_plan.result_files import DAILY_NAME, DATASET, DEFAULT_RESULTS, NETCDF, RESULTS, ZARR, ZARR_DAILY
from bmi_dmg.run_plan.workers import Workers
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
        NetCDF file or Zarr store of all catchments: the hours or, if they were not asked for, the days; the folder of the tables if
        neither was.
    """

    catchments: tuple[str, ...]
    n_steps: int
    csv_folder: Path
    dataset: Path


def run(
    run_folder: str | os.PathLike[str],
    *,
    progress: bool = True,
    resume: bool = False,
    fast: bool = False,
    workers: int = 1,
    scheduler: str | None = None,
    results: Collection[str] = DEFAULT_RESULTS,
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
        Go on with an interrupted run: of one that was divided among workers, partitions that were done are not run again. Otherwise from
        the newest restart files that the catchments have written; results are those of the hours run now.
    fast : bool
        Advance all catchments through many hours at once (:mod:`bmi_dmg.driver.fast`): bitwise the same results. The class must be ours;
        the realization's hourly check of the mass balance is left out.
    workers : int
        Processes of a Dask cluster on this machine among which the catchments are divided, with bitwise the same results. Each reads the
        model for itself. A script that asks for several must guard its own start with ``if __name__ == "__main__":``, because they import
        it.
    scheduler : str, optional
        Address of the scheduler of a Dask cluster whose workers run the catchments instead; they must see the run folder and its models
        under the same paths.
    results : collection of {"csv", "netcdf", "zarr", "zarr-daily"}
        What is written: catchment CSV files as the realization asks for them; NetCDF files of the hours and of the days; Zarr stores of
        both; a Zarr store of the days alone.

    Returns
    -------
    RunResult
        Where the results are: the catchment CSV files in the realization's output folder, all catchments in
        ``outputs/catchments.nc`` (or ``.zarr``), their calendar days in ``outputs/catchments_daily.nc`` (or ``.zarr``) if the class is ours
        and the run has a whole day, and their water budgets in ``outputs/budget.csv`` if the class tells them.

    Raises
    ------
    ConfigError
        If the realization cannot be read, ``workers`` is less than 1, or ``results`` are unknown or cannot be had.
    RunFolderError
        If anything else is wrong with the folder; it lists every problem, and nothing has been run.
    StateError
        If the run is to be resumed and there are neither partitions that were done nor restart files of one hour of this run.
    RunError
        If a BMI object raises while it is set up or stepped, does not keep time, or fails a check of its mass balance that the realization
        calls fatal; nothing is written then. Also if one raises while it is finalized; the results are then there. Also if another run is
        writing its results into the same folder, a Zarr store of an earlier one is there, or workers or their scheduler fail.
    WriteError
        If results cannot be written; those of an earlier run are as they were.
    """
    wanted = _checked(workers, results)
    folder = Path(run_folder).resolve()
    realization = read_realization(folder)
    _refuse_stores(folder / DATASET)
    with working_in(folder, realization.formulation.module_path), ExitStack() as opened:
        places = [realization.output_root, (folder / DATASET).parent]
        opened.enter_context(claimed(places, keeping=UNFINISHED if resume else None))
        plan = check_run(folder, realization)
        opened.callback(plan.forcing.close)
        settings = _settings(folder, plan, wanted)
        goes_on = resume and Unfinished(settings).found() is not None
        resumption = _resumption(plan) if resume and not goes_on else None
        if resumption is not None:
            realization = replace(realization, start=resumption.time)
            plan = replace(plan, realization=realization)
            settings = replace(settings, start=realization.start, n_steps=realization.n_steps)
        divided = goes_on or workers > 1 or scheduler is not None
        length = ("catchments", len(plan.catchments.ids)) if divided else ("hours", realization.n_steps)
        advance_bar = opened.enter_context(progress_bar(progress, length[1], length[0]))
        passage = Passage(fast, chunk_of(len(plan.catchments.ids)), advance_bar)
        failures = _run(plan, settings, resumption, passage, Workers(workers, scheduler) if divided else None)
    if failures:
        raise RunError("; ".join(failures))
    return RunResult(plan.catchments.ids, realization.n_steps, settings.csv_folder, _main_result(settings))


def _checked(workers: int, results: Collection[str]) -> frozenset[str]:
    """Refuse what cannot be asked for; give the kinds of results."""
    if workers < 1:
        raise ConfigError(f"workers is {workers}; a run needs 1 process at least")
    unknown = sorted(set(results) - set(RESULTS))
    if unknown or not results:
        raise ConfigError(f"results are {', '.join(unknown) or 'none'}; expected some of {', '.join(RESULTS)}")
    return frozenset(results)


def _refuse_stores(dataset: Path) -> None:
    """Refuse to run where stores of an earlier run are: they may be large, and are not to go without a word."""
    for store in (dataset.with_suffix(".zarr"), (dataset.parent / DAILY_NAME).with_suffix(".zarr")):
        if store.exists():
            raise RunError(f"{store}: results of an earlier run are there; move them elsewhere, or remove them")


def _settings(folder: Path, plan: RunPlan, results: frozenset[str]) -> OutputSettings:
    realization = plan.realization
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
        results=results,
        **_of_ours(plan),
    )
    if ZARR_DAILY in results and settings.daily_values(plan.catchments) is None:
        finalize_all([(plan.catchments.ids[0], plan.first_model)])
        raise ConfigError(f"results {ZARR_DAILY}: {realization.path} runs a class that is not ours, or has no whole calendar day")
    return settings


def _main_result(settings: OutputSettings) -> Path:
    """Give the path that is told when a run has ended."""
    forms = {NETCDF: settings.dataset, ZARR: settings.dataset.with_suffix(".zarr")}
    daily = {ZARR_DAILY: (settings.dataset.parent / DAILY_NAME).with_suffix(".zarr")}
    return next((path for form, path in (forms | daily).items() if form in settings.results), settings.csv_folder)


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


def _run(plan: RunPlan, settings: OutputSettings, resumption: Resumption | None, passage: Passage, workers: Workers | None) -> list[str]:
    """Run all catchments; give what went wrong after their results were written."""
    first = plan.catchments.ids[0], plan.first_model
    try:
        example = Example(first[0], interface_of(plan.first_model))
    except BaseException:
        finalize_all([first])
        raise
    if workers is not None:
        return run_partitions(plan, settings, resumption, example, passage, workers)
    return run_catchments(plan, resumption, example, passage, lambda: RunOutputs(settings, plan.catchments))


@contextmanager
def progress_bar(shown: bool, total: int, what: str = "hours") -> Iterator[Callable[[int], None]]:
    """Give what is to be called with the hours that have passed, or with how many of something else are done."""
    if not shown:
        yield lambda _done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.advance(task, done)
