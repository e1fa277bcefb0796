"""A partition of a run: some catchments that follow each other, run through all hours by a worker, which writes their results itself.

A worker that dies in it leaves no record, and another one begins the partition anew; so the results are those of one process whatever
happens, however many workers and partitions there are.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from bmi_dmg.bmi.restart import PART_VARIABLE
from bmi_dmg.checking.preflight import input_of
from bmi_dmg.driver.budget_table import Column
from bmi_dmg.driver.csv_tables import CsvTables
from bmi_dmg.driver.outputs import Block, Rain
from bmi_dmg.driver.resume import Resumption
from bmi_dmg.driver.settings import OutputSettings
from bmi_dmg.driver.stepping import Example, Passage, run_catchments
from bmi_dmg.driver.unfinished import Done, Records, days_store, digest_of, hours_store
from bmi_dmg.driver.zarr_store import ZarrStore
from bmi_dmg.logs import messages_kept
from bmi_dmg.run_folder.forcing_reader import ForcingReader
from bmi_dmg.run_folder.forcings import open_forcing
from bmi_dmg.run_folder.hydrofabric import Catchments
from bmi_dmg.run_folder.realization import Realization
from bmi_dmg.run_plan.lifecycle import initialized, load_class, working_in
from bmi_dmg.run_plan.plan import Exchange, RunPlan
from bmi_dmg.run_plan.workers import Site, require_site
from dmg_core.files import write_errors


@dataclass(frozen=True)
class Partition:
    """What a worker is told; every field can be sent to it.

    Attributes
    ----------
    number : int
        From 0.
    place : slice
        Its catchments among all.
    catchments : Catchments
        These.
    site : Site
        What the worker must have.
    realization : Realization
        The run.
    settings : OutputSettings
        Of the results.
    folder, tables : Path
        Hidden folders of results; see :class:`bmi_dmg.driver.unfinished.Unfinished`.
    digest : str
        Of what all partitions have in common.
    example : Example
        What each catchment must be like.
    main_output : str
        BMI name of the runoff.
    resumption : Resumption or None
        Where its catchments go on, if not from the start.
    fast, chunk
        See :class:`bmi_dmg.driver.stepping.Passage`.
    """

    number: int
    place: slice
    catchments: Catchments
    site: Site
    realization: Realization
    settings: OutputSettings
    folder: Path
    tables: Path
    digest: str
    example: Example
    main_output: str
    resumption: Resumption | None
    fast: bool
    chunk: int

    @property
    def name(self) -> str:
        """The catchments, for messages."""
        ids = self.catchments.ids
        return ids[0] if len(ids) == 1 else f"{ids[0]} to {ids[-1]}"


def run_partition(partition: Partition) -> Done:
    """Run a partition, if it is not done; give what is not in its files.

    Raises
    ------
    DmgError
        What a run of one process raises, or a :class:`~bmi_dmg.run_plan.lifecycle.RunError` if the worker is not like the process that
        has divided the run.
    """
    require_site(partition.site)
    realization, records = partition.realization, Records(partition.folder)
    with working_in(partition.site.folder, realization.formulation.module_path):
        digest = _digest(partition)
        done = records.find(partition.number, digest)
        if done is None:
            done = _run(partition)
            records.write(partition.number, digest, done)
    gc.collect()  # an engine is many megabytes, and the next partition makes its own
    return done


def _digest(partition: Partition) -> str:
    """Of all that the results of a partition come from."""
    configs = (Path(partition.realization.formulation.config_of(catchment)).read_bytes() for catchment in partition.catchments.ids)
    return digest_of([partition.digest, *configs])


def _run(partition: Partition) -> Done:
    outputs = _PartitionOutputs(partition)
    with (
        _named(partition.number),
        messages_kept() as messages,
        closing(open_forcing(partition.realization.forcing, partition.catchments.ids)) as forcing,
    ):
        passage = Passage(partition.fast, partition.chunk, lambda _hours: None)
        plan = _plan(partition, forcing)
        failures = run_catchments(plan, partition.resumption, partition.example, passage, lambda: nullcontext(outputs))
    return Done(outputs.budget, failures, list(dict.fromkeys(messages)))


def _plan(partition: Partition, forcing: ForcingReader) -> RunPlan:
    """Repeat what a look at the folder has found, without the look."""
    formulation = partition.realization.formulation
    construct = load_class(formulation.python_type)
    inputs = tuple(input_of(variable, formulation, forcing) for variable in partition.example.interface[0])
    exchange = Exchange(inputs, tuple(partition.settings.outputs), partition.main_output)
    first_model = initialized(construct, formulation, partition.catchments.ids[0])
    return RunPlan(partition.realization, partition.catchments, forcing, construct, first_model, exchange)


class _PartitionOutputs:
    """Writes the results of a partition to where they belong among those of all."""

    def __init__(self, partition: Partition) -> None:
        settings, self._place = partition.settings, partition.place
        outputs = settings.dataset.parent
        with write_errors(outputs):
            self._hours = ZarrStore(hours_store(partition.folder), outputs) if settings.wants_hours else None
            self._days = settings.daily_values(partition.catchments)
            self._days_store = None if self._days is None else ZarrStore(days_store(partition.folder), outputs)
        self._tables = CsvTables(partition.tables, settings, partition.catchments.ids)
        self.budget: Sequence[Column] = ()

    def write(self, first_step: int, block: Block, rain: Rain) -> None:
        """Write a stretch of hours."""
        self._tables.write(first_step, block)
        if self._hours is not None:
            hours = slice(first_step, first_step + len(next(iter(block.values()))))
            self._hours.write({name: values.T for name, values in block.items()}, self._place, hours)
        if self._days is not None and self._days_store is not None:
            days, daily = self._days.take(first_step, block, rain)
            self._days_store.write(daily, self._place, days)

    def add_budget(self, columns: Sequence[Column]) -> None:
        """Keep what is known of the water budget."""
        self.budget = columns


@contextmanager
def _named(number: int) -> Iterator[None]:
    """Give restart files the number of the partition in their names."""
    before = os.environ.get(PART_VARIABLE)
    os.environ[PART_VARIABLE] = str(number)
    try:
        yield
    finally:
        if before is None:
            del os.environ[PART_VARIABLE]
        else:
            os.environ[PART_VARIABLE] = before
