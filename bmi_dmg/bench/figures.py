"""The figures of the benchmark, each from what the scripts measure of a subject."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

import numpy as np

from bmi_dmg.bench.domain import COUPLED, MODELS, SEED
from bmi_dmg.bench.laboratory import BenchError, Laboratory, Subject, spread_of
from bmi_dmg.demo.synthetic_catchments import ATTRIBUTES

HOURS_PER_DAY: Final = 24
HOURS_PER_YEAR: Final = 8760

#: Hours from the end of the first day to the end of the first hour after a re-anchoring, when the multi-timescale model's windows are full.
COUPLED_WARM_UP: Final = (351 + 7) * HOURS_PER_DAY + 1 - HOURS_PER_DAY
Figure = dict[str, Any]

#: Domains so small that the allocator's moods show beside their memory; the median of some processes is taken.
NOISY: Final = 100

#: Catchments of a run that is started anew every hour: those of the Juniata.
PREPARED: Final = 794

#: Days in which the updates are timed alone.
SPLIT_DAYS: Final = 20


def own_subjects(laboratory: Laboratory) -> dict[str, Subject]:
    """Give this package's BMI with each of the models."""
    configs = laboratory.domain.configs
    subjects = {
        name: Subject(python=sys.executable, python_type="bmi_dmg.BmiDeltaModel", configs=partial(configs, name), model=name)
        for name in MODELS
    }
    return {**subjects, COUPLED: replace(subjects[COUPLED], warm_up_hours=COUPLED_WARM_UP)}


def startup(laboratory: Laboratory, subject: Subject) -> Figure:
    """Time from ``import torch`` done to the end of one catchment's first day: without compiled code on disk, and with it."""
    # The first start fills the folder that the processes after it share: none of them is to compile.
    caches = [laboratory.cache_of(subject.model), *(laboratory.new_cache() for _ in range(laboratory.sizes.starts - 1))]
    cold = [laboratory.measure(subject, 1, cache=cache) for cache in caches]
    cached = [laboratory.measure(subject, 1, cache=cache) for cache in caches]
    return {
        "cold_s": spread_of([_start(measured) for measured in cold]),
        "cached_s": spread_of([_start(measured) for measured in cached]),
        "cached_parts_s": {part: statistics.median(measured[part] for measured in cached) for part in _START_PARTS},
        "import_torch_s": statistics.median(measured["import_torch"] for measured in cached),
    }


_START_PARTS: Final = ("import_module", "initialize", "first_day")


def _start(measured: Mapping[str, Any]) -> float:
    return float(sum(measured[part] for part in _START_PARTS))


def stepping(laboratory: Laboratory, subject: Subject) -> Figure:
    """Cost of hourly stepping, all calls included, and of the updates alone."""
    sizes = laboratory.sizes
    measured = laboratory.measure(subject, sizes.stepped, hours=sizes.stepped_hours, repeats=sizes.repeats, split_days=SPLIT_DAYS)
    if not measured["output"] > 0.0:
        raise BenchError(f"{subject.python_type} says runoff is {measured['output']} after its warm-up: it has not been stepping")
    of_hour = sorted(1e6 * statistics.median(hour) for hour in zip(*measured["updates"], strict=True))
    loop = laboratory.measure(replace(subject, python_type=""), sizes.stepped, hours=sizes.stepped_hours, repeats=1)
    return {
        "catchments": sizes.stepped,
        "seconds_per_catchment_year": spread_of([seconds * HOURS_PER_YEAR for seconds in measured["repeats"]]),
        "of_which_the_loop_that_measures": loop["repeats"][0] * HOURS_PER_YEAR,
        # A daily model computes in one hour of the day, and that is the slowest one.
        "update_us_in_compute_hours": of_hour[-1] if subject.daily else statistics.median(of_hour),
        "update_us_in_other_hours": statistics.median(of_hour[:-1]) if subject.daily else None,
    }


def initialization(laboratory: Laboratory, subject: Subject) -> Figure:
    """Cost of making catchments: from reading weights and configs to the end of the first day, static parameters included."""
    count = laboratory.sizes.initialized
    times = []
    for _ in range(laboratory.sizes.starts):
        laboratory.forget(subject)
        times.append(laboratory.measure(subject, count))
    return {
        "catchments": count,
        "ms_per_catchment": spread_of([1e3 * (time["initialize"] + time["first_day"]) / count for time in times]),
    }


def prepared(laboratory: Laboratory, subject: Subject) -> Figure:
    """Time from the start of a process to the end of the first step of many catchments whose static parameters are kept."""
    count = min(PREPARED, laboratory.sizes.initialized)
    laboratory.measure(subject, count)  # a day, after which they are kept
    starts = [laboratory.prepared_start(subject, count) for _ in range(laboratory.sizes.starts)]
    if any(start["torch"] for start in starts):
        raise BenchError(f"{subject.python_type} imports torch though static parameters are kept")
    return {
        "catchments": count,
        "seconds": spread_of([start["seconds"] for start in starts]),
        "ms_per_further_catchment": spread_of([1e3 * start["of_further"] for start in starts]),
    }


def memory(laboratory: Laboratory, subject: Subject) -> Figure | None:
    """Resident memory of each catchment after the first, in domains of growing size; None where it cannot be known."""
    resident = {}
    for count in laboratory.sizes.domains:
        processes = laboratory.sizes.starts if count <= NOISY else 1
        sizes = [laboratory.measure(subject, count)["resident"] for _ in range(processes)]
        known = [size for size in sizes if size is not None]
        if not known:
            return None
        resident[count] = statistics.median(known)
    first = resident[1]
    return {
        "resident_mb_of_one": first / 1e6,
        "kb_per_further_catchment": {str(count): (size - first) / (count - 1) / 1e3 for count, size in resident.items() if count > 1},
    }


def growth(laboratory: Laboratory, subject: Subject) -> Figure:
    """Cost of a catchment's hour in domains of growing size.

    A multi-timescale model is measured before its windows are full: filling them in the largest domain would take an hour.
    """
    subject = replace(subject, warm_up_hours=min(subject.warm_up_hours, 2 * HOURS_PER_DAY))
    sizes = laboratory.sizes
    cost = {}
    for count in sizes.domains[1:]:
        hours = max(1, sizes.domain_steps // count // HOURS_PER_DAY) * HOURS_PER_DAY
        measured = laboratory.measure(subject, count, hours=hours, repeats=sizes.repeats)
        cost[str(count)] = spread_of([1e6 * seconds for seconds in measured["repeats"]])
    medians = [spread["median"] for spread in cost.values()]
    return {"us_per_catchment_hour": cost, "most_over_least": max(medians) / min(medians)}


#: The figures of a BMI, in the order in which they are measured: the first leaves compiled code for the others.
FIGURES: Final[dict[str, Callable[[Laboratory, Subject], Figure | None]]] = {
    "startup": startup,
    "stepping": stepping,
    "initialization": initialization,
    "prepared": prepared,
    "memory": memory,
    "growth": growth,
}


def batch(laboratory: Laboratory) -> Figure:
    """Throughput of whole series of the daily model, LSTM, HBV and routing, at one and two threads."""
    sizes, folder = laboratory.sizes, laboratory.domain.folder
    rng = np.random.default_rng(SEED)
    shape = (sizes.batch_days, sizes.batch_catchments)
    forcing = np.stack([rng.gamma(0.3, 10.0, shape), rng.normal(10.0, 8.0, shape), rng.uniform(0.0, 5.0, shape)], axis=-1)
    np.save(folder / "batch.npy", forcing)
    np.savez(folder / "batch.npz", **{name: laboratory.domain.attributes[name][: shape[1]] for name in ATTRIBUTES})
    job = {
        "model": str(laboratory.domain.model("daily")),
        "attributes": str(folder / "batch.npz"),
        "forcing": str(folder / "batch.npy"),
        "repeats": sizes.repeats,
    }
    cache, rates = laboratory.cache_of("daily"), {}
    for threads in (1, 2):
        result = {"result": str(folder / f"batch-{threads}.json"), "threads": threads}
        rates[str(threads)] = spread_of(laboratory.run("batches", {**job, **result}, cache=cache)["repeats"])
    return {"catchments": shape[1], "days": shape[0], "catchment_days_per_s": rates}
