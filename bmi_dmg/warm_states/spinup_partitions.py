"""A spin-up divided into partitions of catchments, which workers of a Dask cluster run."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bmi_dmg.bmi.restart import states_of
from bmi_dmg.config.bmi_config import BmiConfig, read_config
from bmi_dmg.logs import Message, messages_kept, tell_once
from bmi_dmg.run_folder.forcings import open_forcing
from bmi_dmg.run_folder.realization import Realization
from bmi_dmg.run_folder.weather_source import WeatherSource
from bmi_dmg.run_plan.lifecycle import working_in
from bmi_dmg.run_plan.workers import Cluster, Site, Workers, connected, require_site, size_of_partitions, versions
from bmi_dmg.spin_up.spin_up import SpinUp
from bmi_dmg.warm_states.course import Course
from bmi_dmg.warm_states.one_engine import join
from dmg_core.engine.state import States

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SpinUpPartition:
    """What a worker is told.

    Attributes
    ----------
    site : Site
        What the worker must have.
    realization : Realization
        The run.
    ids : tuple of str
        Its catchments.
    course : Course
        What they are run through.
    """

    site: Site
    realization: Realization
    ids: tuple[str, ...]
    course: Course

    @property
    def name(self) -> str:
        """The catchments, for messages."""
        return self.ids[0] if len(self.ids) == 1 else f"{self.ids[0]} to {self.ids[-1]}"


@dataclass(frozen=True, eq=False)
class PartitionSpunUp:
    """What comes of a partition.

    Attributes
    ----------
    changes : list of ndarray, shape (N,)
        Change of storage in each whole year, mm.
    states : bytes
        States at the start of the run.
    messages : list of Message
        What was logged.
    """

    changes: list[Array]
    states: bytes
    messages: list[Message]


def spun_up(
    configs: Sequence[BmiConfig], realization: Realization, course: Course | Callable[[WeatherSource], Course]
) -> tuple[Course, list[Array], States]:
    """Spin catchments up in this process; the working directory must be the run folder.

    Parameters
    ----------
    configs : sequence of BmiConfig
        Of the catchments.
    realization : Realization
        The run.
    course : Course or callable
        What they are run through, or what finds it by their weather.

    Returns
    -------
    tuple of Course, list of ndarray and States
        The course, the change of storage in each whole year, and the states at the start of the run.
    """
    ids = [config.catchment_id for config in configs]
    with closing(open_forcing(realization.forcing, ids)) as reader:
        steppers = join(configs, realization)
        source = WeatherSource(reader, ids, steppers[0].layout.inputs, realization.formulation.variables_names_map)
        course = course if isinstance(course, Course) else course(source)
        changes = course.run(SpinUp(steppers, source), realization.start)
    states = {stepper.catchment_id: (realization.start, stepper.capture()) for stepper in steppers}
    return course, changes, states_of(steppers[0].catchment.engine.identity, states)


def spin_up_partition(partition: SpinUpPartition) -> PartitionSpunUp:
    """Spin a partition up; this is what a worker runs.

    Raises
    ------
    DmgError
        What a spin-up in one process raises, or a :class:`~bmi_dmg.run_plan.lifecycle.RunError` if the worker is not as it must be.
    """
    require_site(partition.site)
    formulation = partition.realization.formulation
    with working_in(partition.site.folder, formulation.module_path), messages_kept() as messages:
        configs = [read_config(formulation.config_of(catchment)) for catchment in partition.ids]
        _, changes, states = spun_up(configs, partition.realization, partition.course)
    result = PartitionSpunUp(changes, states.to_bytes(), list(dict.fromkeys(messages)))
    gc.collect()  # an engine is many megabytes, and the next partition makes its own
    return result


def spun_up_by_workers(
    configs: Mapping[str, BmiConfig], realization: Realization, course: Course, workers: Workers
) -> tuple[list[Array], States]:
    """Spin catchments up on workers; the working directory must be the run folder.

    Parameters
    ----------
    configs : mapping of str to BmiConfig
        Of all catchments.
    realization : Realization
        The run.
    course : Course
        What they are run through.
    workers : Workers
        Who does the work.

    Returns
    -------
    tuple of list of ndarray and States
        See :func:`spun_up`: the same to the last bit, whatever the number of workers.
    """
    ids = tuple(configs)
    site = Site(Path.cwd(), tuple(sorted({config.model_dir.absolute() for config in configs.values()})), versions())
    with connected(replace(workers, number=min(workers.number, len(ids))), site) as cluster:
        size = size_of_partitions(len(ids), cluster.workers)
        parts = [SpinUpPartition(site, realization, ids[first : first + size], course) for first in range(0, len(ids), size)]
        results = _until_alike(cluster, parts)
    changes = [np.concatenate(year) for year in zip(*(result.changes for result in results), strict=True)]
    return changes, _joined([States.from_bytes(result.states, part.name) for part, result in zip(parts, results, strict=True)])


def _until_alike(cluster: Cluster, parts: Sequence[SpinUpPartition]) -> list[PartitionSpunUp]:
    """Spin all partitions up for the same number of years: those that settle sooner than others are run again, for longer."""
    results: dict[int, PartitionSpunUp] = {}
    told: set[Message] = set()
    years = 1
    while True:
        again = [(n, part) for n, part in enumerate(parts) if n not in results or len(results[n].changes) < years]
        if not again:
            return [results[n] for n in range(len(parts))]
        numbers = {part.ids: n for n, part in again}
        longer = [replace(part, course=replace(part.course, least=years)) for _, part in again]
        for part, result in cluster.completed(spin_up_partition, longer):
            results[numbers[part.ids]] = result
            tell_once(result.messages, told)
        years = max(len(result.changes) for result in results.values())


def _joined(states: Sequence[States]) -> States:
    """Put the states of partitions together."""
    first = states[0]
    ids = tuple(catchment for part in states for catchment in part.ids)
    times = tuple(time for part in states for time in part.times)
    return States(first.identity, ids, times, {name: np.concatenate([part.arrays[name] for part in states]) for name in first.arrays})
