"""The benchmark as a whole: what is measured, on which machine, and the table."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bmi_dmg.bench.domain import write_domain
from bmi_dmg.bench.figures import FIGURES, batch, own_subjects
from bmi_dmg.bench.laboratory import BenchError, Laboratory, Subject
from bmi_dmg.bench.public_package import find_public_package, public_sizes, public_subjects
from bmi_dmg.bench.sizes import FULL, QUICK
from dmg_core.errors import ConfigError

if TYPE_CHECKING:
    from rich.table import Table

Results = dict[str, Any]

#: What can be asked for.
NAMES: Final = (*FIGURES, "batch")

#: What compiling would show in, if no start-up had left the code on disk.
NEED_COMPILED: Final = frozenset({"initialization", "memory", "prepared"})

#: Of a public package, which has no batches in its BMI and does not fit into memory in large domains.
PUBLIC_FIGURES: Final = ("stepping", "initialization", "memory", "startup")


def run_benchmark(
    *,
    quick: bool = False,
    only: Sequence[str] = (),
    catchments: int | None = None,
    against: str | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Results:
    """Measure in a temporary folder.

    Parameters
    ----------
    quick : bool
        Small models and short measurements, to see that everything works.
    only : sequence of str
        Some of :data:`NAMES`; by default all.
    catchments : int, optional
        The largest domain.
    against : str, optional
        Path of an interpreter that has the public package ``dhbv2``, to measure that too.
    progress : callable
        Told what is being done.

    Returns
    -------
    dict
        ``machine``, ``software``, ``sizes``, ``figures`` (by figure and model) and, with ``against``, the same figures of the other package
        under ``against`` and the ``ratios`` (theirs over ours).

    Raises
    ------
    ConfigError
        If a figure is unknown, there is no room on the disk, or the interpreter has no such package.
    BenchError
        If something cannot be measured.
    """
    unknown = [name for name in only if name not in NAMES]
    if unknown:
        raise ConfigError(f"unknown figures {', '.join(unknown)}; there are {', '.join(NAMES)}")
    sizes = QUICK if quick else FULL
    if catchments is not None:
        sizes = sizes.within(catchments)
    public = find_public_package(against) if against is not None else None
    wanted = tuple(only) or NAMES
    results: Results = {
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "quick": quick,
        "machine": machine(),
        "software": software(),
        "sizes": asdict(sizes),
    }
    with tempfile.TemporaryDirectory(prefix="bmi-dmg-bench-") as folder:
        progress("writing models and catchments")
        laboratory = Laboratory(write_domain(Path(folder), sizes), sizes)
        results["figures"] = _measure_own(laboratory, wanted, progress)
        if public is not None:
            results["against"] = {**public, **_measure_public(laboratory, wanted, public["python"], progress)}
            results["ratios"] = ratios(results["figures"], results["against"]["figures"])
    return results


def _measure_own(laboratory: Laboratory, wanted: Sequence[str], progress: Callable[[str], None]) -> Results:
    """Measure this package: each figure of each model."""
    subjects = own_subjects(laboratory)
    if "startup" not in wanted and NEED_COMPILED.intersection(wanted):
        for name, subject in subjects.items():
            progress(f"compiling the {name} model")
            laboratory.measure(subject, 1)
    figures: Results = {}
    for figure in (figure for figure in NAMES if figure in wanted):
        if figure == "batch":
            progress("batch")
            figures[figure] = {"daily": batch(laboratory)}
            continue
        for name, subject in subjects.items():
            progress(f"{figure} of the {name} model")
            figures.setdefault(figure, {})[name] = FIGURES[figure](laboratory, subject)
    return figures


def _measure_public(laboratory: Laboratory, wanted: Sequence[str], python: str, progress: Callable[[str], None]) -> Results:
    """Measure the public package; what does not run is told, and does not end the benchmark."""
    small = replace(laboratory, sizes=public_sizes(laboratory.sizes))
    figures: Results = {}
    notes: dict[str, str] = {}
    for name, (subject, note) in public_subjects(small, python).items():
        notes[name] = note
        for figure in (figure for figure in PUBLIC_FIGURES if figure in wanted):
            progress(f"{figure} of the public {name} model")
            figures.setdefault(figure, {})[name] = _figure_or_failure(small, figure, subject)
    return {"notes": notes, "figures": figures}


def _figure_or_failure(laboratory: Laboratory, figure: str, subject: Subject) -> Results | None:
    try:
        return FIGURES[figure](laboratory, subject)
    except BenchError as error:
        return {"failed": str(error)}


def machine() -> dict[str, Any]:
    """Describe the machine, with how busy it is with other things."""
    info = Path("/proc/cpuinfo")
    text = info.read_text(encoding="utf-8") if info.exists() else ""
    names = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    affinity = getattr(os, "sched_getaffinity", None)
    return {
        "cpu": names[0] if names else platform.processor(),
        "cpus": len(affinity(0)) if affinity else os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1) if hasattr(os, "sysconf") else None,
        "system": platform.platform(),
        "load_before": [round(load, 2) for load in os.getloadavg()] if hasattr(os, "getloadavg") else None,
    }


def software() -> dict[str, str]:
    """Name the versions of what the figures depend on."""
    packages = ("torch", "numpy", "numba", "llvmlite")
    return {"python": platform.python_version(), **{package: version(package) for package in packages}}


def entries(figure: str, measured: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Give the lines of a figure: label, and a number or a spread."""
    if figure == "stepping":
        yield "stepping, s per catchment-year", measured["seconds_per_catchment_year"]
        yield "of which the loop that measures, s", measured["of_which_the_loop_that_measures"]
        yield "update in hours that compute, µs", measured["update_us_in_compute_hours"]
        if measured["update_us_in_other_hours"] is not None:
            yield "update in other hours, µs", measured["update_us_in_other_hours"]
    elif figure == "initialization":
        yield "initialize, ms per catchment", measured["ms_per_catchment"]
    elif figure == "prepared":
        yield f"prepared start of {measured['catchments']} catchments, to their first step, s", measured["seconds"]
        yield "of which each further catchment, ms", measured["ms_per_further_catchment"]
    elif figure == "memory":
        sizes = measured["kb_per_further_catchment"]
        *smaller, largest = sizes
        yield "memory per further catchment, KB", sizes[largest]
        yield from ((f"the same among {count}, KB", sizes[count]) for count in smaller)
    elif figure == "startup":
        yield "start, nothing compiled, s", measured["cold_s"]
        yield "start, compiled code on disk, s", measured["cached_s"]
    elif figure == "growth":
        cost = measured["us_per_catchment_hour"]
        yield from ((f"an hour of a catchment among {count}, µs", spread) for count, spread in cost.items())
        yield "dearest over cheapest of these", measured["most_over_least"]
    elif figure == "batch":
        rates = measured["catchment_days_per_s"]
        yield from ((f"batch, threads: {threads}, catchment-days/s", spread) for threads, spread in rates.items())


def lines(figures: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Give all lines of all figures: model, label, and a number or a spread."""
    for figure, models in figures.items():
        for name, measured in models.items():
            if measured is not None and "failed" not in measured:
                yield from ((name, label, value) for label, value in entries(figure, measured))


def middle(value: Any) -> float:
    """Give a number, or the median of a spread."""
    return float(value["median"] if isinstance(value, Mapping) else value)


def ratios(own: Mapping[str, Any], public: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Divide the public package's figures by ours, by model and label."""
    theirs = {(name, label): middle(value) for name, label, value in lines(public)}
    found: dict[str, dict[str, float]] = {}
    for name, label, value in lines(own):
        if (name, label) in theirs and "loop" not in label:
            found.setdefault(name, {})[label] = theirs[name, label] / middle(value)
    return found


def as_table(results: Results) -> Table:
    """Lay out the results for a terminal."""
    from rich.table import Table

    caption = f"{results['machine']['cpu']}, {results['machine']['cpus']} cpus, load before {results['machine']['load_before']}"
    table = Table(title="Quick measurement: not for comparison" if results["quick"] else None, caption=caption, caption_justify="left")
    against = results.get("against")
    columns = ("model", "figure", "median", "low … high", *(("public", "ratio") if against else ()))
    for column in columns:
        table.add_column(column, justify="left" if column in ("model", "figure") else "right")
    theirs = {(name, label): value for name, label, value in lines(against["figures"])} if against else {}
    for name, label, value in lines(results["figures"]):
        spread = f"{short(value['low'])} … {short(value['high'])}" if isinstance(value, Mapping) else ""
        cells = [name, label, short(middle(value)), spread]
        if against:
            other = theirs.get((name, label))
            ratio = results["ratios"].get(name, {}).get(label)
            cells += ["" if other is None else short(middle(other)), "" if ratio is None else short(ratio)]
        table.add_row(*cells)
    return table


def short(number: float) -> str:
    """Write a number with three digits that count, and no exponent."""
    return f"{number:,.0f}".replace(",", " ") if abs(number) >= 100 else f"{number:.3g}"
