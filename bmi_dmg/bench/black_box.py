"""Measure a Python BMI class from outside, as ngen meets it: names, files and calls, nothing of its inside.

A script, run by path in a process of its own, so that any interpreter can run it and nothing is loaded before it is timed. It takes the
path of a JSON file that holds a :class:`Job` and writes a :class:`Measured`, or ``{"failed": message}``, to the path the job names. It
must not import the packages beside it.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

HOURS_PER_DAY = 24


class Job(TypedDict):
    """What to measure."""

    result: str
    """File for the outcome."""
    python_type: str
    """``module.Class``, or empty for a class whose calls do nothing: the cost of the loop itself."""
    aliases: dict[str, str]
    """Names to add to the module's tables of names, each meaning what the other means; see :func:`_add_names`."""
    configs: list[str]
    """BMI configs, one for each object to make."""
    inputs: list[str]
    output: str
    weather: str
    """``.npy`` of float64, (hours, places, inputs), whole days from midnight; used in a circle, object i at place i modulo places."""
    warm_up_hours: int
    """Hours between the first day and the measured hours."""
    hours: int
    """Hours of one repeat."""
    repeats: int
    split_days: int
    """Days in which the updates are timed alone."""


class Measured(TypedDict):
    """What came out; seconds, bytes."""

    import_torch: float
    import_module: float
    initialize: float
    """All objects."""
    first_day: float
    """All objects, with the day's loop."""
    resident: int | None
    """Memory in use after the first day; None where it cannot be known."""
    repeats: list[float]
    """Per object and hour."""
    updates: list[list[float]]
    """Update alone, per object, (days, 24)."""
    output: float
    """What the last object said last: evidence that it has run."""


class Nothing:
    """A BMI class whose calls do nothing."""

    def initialize(self, config: str) -> None:
        """Do nothing."""

    def set_value(self, name: str, src: Any) -> None:
        """Do nothing."""

    def update(self) -> None:
        """Do nothing."""

    def get_value_at_indices(self, name: str, dest: Any, inds: Any) -> None:
        """Do nothing."""


class Domain:
    """Objects that are stepped together, in ngen's order."""

    def __init__(self, job: Job, bmi_class: Any) -> None:
        values = np.load(job["weather"])
        # Every value is an array of one item made beforehand: the framework's work is not to be measured.
        self._weather = [[[np.array([value]) for value in place] for place in hour] for hour in values]
        self._inputs, self._output = job["inputs"], job["output"]
        self._dest, self._index = np.zeros(1), np.zeros(1, dtype=np.int32)
        self._hour = 0
        self._bmi_class = bmi_class
        self._models: list[Any] = []

    def initialize(self, configs: list[str]) -> None:
        """Make and initialize all objects."""
        for config in configs:
            model = self._bmi_class()
            model.initialize(config)
            self._models.append(model)

    def step(self, hours: int) -> float:
        """Set all inputs, update and read the output, for every object and hour; returns seconds."""
        inputs, output, dest, index = self._inputs, self._output, self._dest, self._index
        start = time.perf_counter()
        for now in self._next_hours(hours):
            places = len(now)
            for i, model in enumerate(self._models):
                for name, value in zip(inputs, now[i % places]):  # noqa: B905 - the check would be part of what is measured
                    model.set_value(name, value)
                model.update()
                model.get_value_at_indices(output, dest, index)
        return time.perf_counter() - start

    @property
    def output(self) -> float:
        """What was read last."""
        return float(self._dest[0])

    def step_day_timing_updates(self) -> list[float]:
        """Step a day; returns the seconds that the updates alone took, by hour."""
        return [self._time_updates(now) for now in self._next_hours(HOURS_PER_DAY)]

    def _time_updates(self, now: list[list[Any]]) -> float:
        for i, model in enumerate(self._models):
            for name, value in zip(self._inputs, now[i % len(now)], strict=True):
                model.set_value(name, value)
        start = time.perf_counter()
        for model in self._models:
            model.update()
        return time.perf_counter() - start

    def _next_hours(self, hours: int) -> list[list[list[Any]]]:
        chosen = [self._weather[hour % len(self._weather)] for hour in range(self._hour, self._hour + hours)]
        self._hour += hours
        return chosen


def measure(job: Job) -> Measured:
    """Do a job."""
    import_torch, _ = _timed(lambda: importlib.import_module("torch"))
    sys.modules["torch"].set_num_threads(1)  # as in a framework that starts one process for each core
    import_module, bmi_class = _timed(lambda: _load(job["python_type"], job["aliases"]))
    domain = Domain(job, bmi_class)
    initialize, _ = _timed(lambda: domain.initialize(job["configs"]))
    first_day = domain.step(HOURS_PER_DAY)
    resident = _resident()
    domain.step(job["warm_up_hours"])
    count, hours = len(job["configs"]), job["hours"]
    repeats = [domain.step(hours) / hours / count for _ in range(job["repeats"])]
    updates = [[seconds / count for seconds in domain.step_day_timing_updates()] for _ in range(job["split_days"])]
    return Measured(
        import_torch=import_torch,
        import_module=import_module,
        initialize=initialize,
        first_day=first_day,
        resident=resident,
        repeats=repeats,
        updates=updates,
        output=domain.output,
    )


def _timed(call: Any) -> tuple[float, Any]:
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def _load(python_type: str, aliases: dict[str, str]) -> Any:
    if not python_type:
        return Nothing
    module_name, _, class_name = python_type.rpartition(".")
    module = importlib.import_module(module_name)
    _add_names(module, aliases)
    return getattr(module, class_name)


def _add_names(module: Any, aliases: dict[str, str]) -> None:
    """Complete the module's tables of names, in memory.

    A published module may stop at a name that its tables lack; it can be measured nevertheless if the name is added.
    """
    for table in [value for value in vars(module).values() if isinstance(value, dict)]:
        for name, known in aliases.items():
            if known in table:
                table.setdefault(name, table[known])


def _resident() -> int | None:
    """Memory of this process that is in use, bytes; None where /proc does not say."""
    gc.collect()
    statm = Path("/proc/self/statm")
    return int(statm.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") if statm.exists() else None


def main() -> None:
    """Do the job that the argument names."""
    job: Job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    outcome: Any
    try:
        outcome = measure(job)
    except Exception as error:  # noqa: BLE001 - whatever a foreign class raises is the outcome
        outcome = {"failed": f"{type(error).__name__}: {error}"}
    Path(job["result"]).write_text(json.dumps(outcome), encoding="utf-8")


if __name__ == "__main__":
    main()
