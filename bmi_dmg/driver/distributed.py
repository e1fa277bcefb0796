"""A run divided into partitions, which workers of a Dask cluster run; its results are put together here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from bmi_dmg.driver.assembly import Assembly
from bmi_dmg.driver.budget_table import Column
from bmi_dmg.driver.partitions import Partition, run_partition
from bmi_dmg.driver.resume import Resumption
from bmi_dmg.driver.settings import OutputSettings
from bmi_dmg.driver.stepping import Example, Passage, chunk_of
from bmi_dmg.driver.unfinished import Division, Done, Unfinished, digest_of, stamp_of
from bmi_dmg.logs import Message, tell_once
from bmi_dmg.run_plan.lifecycle import RunError, finalize_all
from bmi_dmg.run_plan.plan import RunPlan
from bmi_dmg.run_plan.result_files import STORE_CHUNK
from bmi_dmg.run_plan.workers import Cluster, Site, Workers, connected, size_of_partitions, versions
from dmg_core.errors import ConfigError, StateError


def run_partitions(
    plan: RunPlan, settings: OutputSettings, resumption: Resumption | None, example: Example, passage: Passage, workers: Workers
) -> list[str]:
    """Run the catchments of a plan on workers; the working directory must be the run folder.

    What partitions have left that is whole is gone on with, if a run was interrupted and its hidden folder is still there.

    Parameters
    ----------
    plan : RunPlan
        The run. Its first object is finalized: workers make their own.
    settings : OutputSettings
        Of the results.
    resumption, example, passage
        See :func:`bmi_dmg.driver.stepping.run_catchments`; the bar counts catchments.
    workers : Workers
        Who does the work.

    Returns
    -------
    list of str
        What went wrong while objects were finalized; the results are there.

    Raises
    ------
    DmgError
        What a partition has raised; a :class:`bmi_dmg.run_plan.lifecycle.RunError` if workers or their scheduler fail. There is no result
        then; partitions that are done stay in a hidden folder, to be gone on with.
    StateError
        If what is left of an interrupted run is of another one.
    """
    _refuse_own_restart_files(plan)
    # What goes wrong here goes wrong in the first partition, too, and is told by it.
    finalize_all([(plan.catchments.ids[0], plan.first_model)])
    unfinished = Unfinished(settings)
    site = Site(Path.cwd(), tuple(path.absolute() for path in sorted(plan.sources)), versions())
    workers = replace(workers, number=min(workers.number, len(plan.catchments.ids)))
    try:
        with connected(workers, site) as cluster, Assembly(settings, plan.catchments, unfinished) as assembly:
            division = _division(plan, settings, unfinished, site, cluster.workers)
            if unfinished.found() is None:
                unfinished.start()
                assembly.create_stores((division.size, STORE_CHUNK[1]))
                if resumption is None:  # otherwise the restart files that it began with may be gone
                    unfinished.keep(division)
            partitions = list(_partitions(plan, settings, resumption, example, passage, site, unfinished, division))
            dones = _run_all(cluster, partitions, assembly, passage.advance_bar)
            assembly.finish(_joined([done.budget for done in dones], partitions))
    except BaseException:
        if unfinished.found() is None or not unfinished.records.any():
            unfinished.discard()
        raise
    unfinished.discard()
    return [failure for done in dones for failure in done.failures]


def _refuse_own_restart_files(plan: RunPlan) -> None:
    """Refuse states to start from that the run itself would replace, while partitions that begin later still need them."""
    folders = {folder.absolute() for folder in plan.restart_folders}
    for source in plan.sources:
        if folders & {source.absolute(), source.absolute().parent}:
            raise ConfigError(
                f"initial_state {source} lies where checkpoint writes restart files, and partitions that begin later would find others; "
                "give checkpoint another path, or run with one process"
            )


def _division(plan: RunPlan, settings: OutputSettings, unfinished: Unfinished, site: Site, workers: int) -> Division:
    """Divide a run, or find how it was divided when it was interrupted."""
    forcing = plan.realization.forcing.path
    digest = digest_of(
        [
            site.versions,
            plan.realization.path.read_bytes(),
            plan.catchments.ids,
            sorted(settings.results),
            (settings.start, settings.n_steps),
            *(stamp_of(path) for path in site.sources),
            stamp_of(forcing) if forcing.exists() else str(forcing),
        ]
    )
    found = unfinished.found()
    if found is None:
        return Division(size_of_partitions(len(plan.catchments.ids), workers), digest)
    if found.digest != digest:
        raise StateError(
            f"{unfinished.folder}: what is left of an unfinished run is of another one: realization, forcing, models, forms of results "
            "or packages have changed; run without --resume"
        )
    return found


def _partitions(
    plan: RunPlan,
    settings: OutputSettings,
    resumption: Resumption | None,
    example: Example,
    passage: Passage,
    site: Site,
    unfinished: Unfinished,
    division: Division,
) -> Iterator[Partition]:
    n = len(plan.catchments.ids)
    for number, (first, end) in enumerate(pairwise([*range(0, n, division.size), n])):
        catchments = plan.catchments.part(slice(first, end))
        yield Partition(
            number=number,
            place=slice(first, end),
            catchments=catchments,
            site=site,
            realization=plan.realization,
            settings=settings,
            folder=unfinished.folder,
            tables=unfinished.tables,
            digest=division.digest,
            example=example,
            main_output=plan.exchange.main_output,
            resumption=None if resumption is None else resumption.of(catchments.ids),
            fast=passage.fast,
            chunk=chunk_of(division.size),
        )


def _run_all(cluster: Cluster, partitions: Sequence[Partition], assembly: Assembly, advance_bar: Callable[[int], None]) -> list[Done]:
    """Have all partitions run; take them in as they are done, and give what is not in files in their order."""
    dones: dict[int, Done] = {}
    told: set[Message] = set()
    for partition, done in cluster.completed(run_partition, partitions):
        dones[partition.number] = done
        tell_once(done.messages, told)
        assembly.take(partition.place)
        advance_bar(len(partition.catchments.ids))
    return [dones[partition.number] for partition in partitions]


def _joined(budgets: Sequence[Sequence[Column]], partitions: Sequence[Partition]) -> list[Column]:
    """Put the water budgets of the partitions together."""
    names = [[(column.name, column.units) for column in budget] for budget in budgets]
    for partition, own in zip(partitions, names, strict=True):
        if own != names[0]:
            raise RunError(f"{partition.name}: the terms of the water budget are not those of {partitions[0].name}")
    return [
        Column(name, units, np.concatenate([budget[place].values for budget in budgets])) for place, (name, units) in enumerate(names[0])
    ]
