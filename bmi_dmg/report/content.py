"""What a page tells, gathered from a run folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.checking.check import check_folder
from bmi_dmg.report.divides import draw_divides
from bmi_dmg.report.forecasts import assimilation_facts
from bmi_dmg.report.outlets import GAUGED, LABELS, LIKE, OUTLET, TITLE, Gauged, Outlets, find_outlets, held_against
from bmi_dmg.report.packing import figures, packed
from bmi_dmg.report.settings import cold_starts, run_settings, versions
from bmi_dmg.results.declared import declared_outputs
from bmi_dmg.results.observed import read_observed
from bmi_dmg.results.quantities import OBSERVED, PRECIPITATION, RUNOFF, Curve, Kind, Panel, Quantity, level_of, panels_of
from bmi_dmg.results.reading import RunResults
from bmi_dmg.results.summary import Summary, summarize
from bmi_dmg.results.time_axis import HOURS_PER_DAY, TimeAxis
from bmi_dmg.results.water_budget import Balance, WaterBudget, totals, water_budget
from dmg_core.errors import ConfigError
from dmg_core.metrics import kge, nse, pbias

#: Values of all series of a page; more make it large and slow, so long runs of many catchments are told in longer steps.
MAX_VALUES: Final = 4_000_000
#: Longer steps to choose from, in days.
LONGER_STEPS: Final = (7, 30)

#: Metric -> label and unit on the map.
SKILL_LABELS: Final = {
    "pbias": ("Bias of runoff", "%"),
    "nse": ("Nash–Sutcliffe efficiency", ""),
    "kge": ("Kling–Gupta efficiency", ""),
}

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Content:
    """What a page tells.

    Attributes
    ----------
    title : str
        Its title.
    facts : dict
        Everything but the series, ready for JSON. Lists of figures have one for each catchment and a last one for all of them together.
    series : Mapping[str, str]
        Role -> packed series, shape (N + 1, n).
    """

    title: str
    facts: dict[str, Any]
    series: Mapping[str, str]


def gather(run_folder: Path, observed: Path | None) -> Content:
    """Gather what there is to tell of a run; see :func:`bmi_dmg.report.write_report`."""
    with RunResults(run_folder) as results:
        if results.days.n < 2:
            raise ConfigError(f"{results.source}: a report needs at least two complete days; the run has {results.hours} hours")
        every = range(len(results.ids))
        outlets = find_outlets(run_folder, results.ids, results.area)
        axis = _axis(results, with_observed=observed is not None)
        flows, gauged = (None, None) if observed is None else _observations(results, outlets, observed)
        summaries = summarize(results, every, axis)
        if axis.step > HOURS_PER_DAY:  # quantiles of a day are none of a mean over several
            summaries = {role: summary for role, summary in summaries.items() if level_of(role) is None}
        skill = None if flows is None else _skill(results.means(RUNOFF, every, results.days), flows)
        settings, stores = run_settings(run_folder, results), results.stores
        budget = water_budget(summaries, results.budget_table(every), Balance.of(results.attributes))
    whole = _Whole(results.area if results.area is not None else np.ones(len(results.ids)))
    series = _series(summaries, stores, whole)
    if flows is not None:
        series[OBSERVED] = np.vstack([axis.means_of_days(flows), np.full(axis.n, np.nan)])
    if gauged is not None:
        series[GAUGED] = axis.means_of_days(gauged.series)
    facts: dict[str, Any] = {
        "title": run_folder.resolve().name,
        "written": datetime.now(timezone.utc).isoformat(timespec="minutes"),
        "period": _period(results, budget),
        "axis": {"start": int(axis.start.replace(tzinfo=timezone.utc).timestamp()), "step": 3600 * axis.step, "n": axis.n},
        "catchments": {"ids": results.ids, "areas": None if results.area is None else figures(results.area)},
        "map": draw_divides(run_folder, results.ids),
        "network": None if outlets is None else outlets.facts(),
        "gauges": [] if outlets is None else outlets.gauge_facts(gauged),
        "cold": cold_starts(run_folder, results),
        "panels": _panels(panels_of(set(series), stores), set(series), outlets),
        "measures": _measures(results.hours, summaries, budget, skill, whole, outlets),
        "budget": _budget(budget, whole),
        "skill": None if skill is None else {name: [*figures(values), None] for name, values in skill.items()},
        "assimilation": assimilation_facts(run_folder),
        "findings": _findings(run_folder.resolve()),
        "settings": settings,
        "versions": versions(),
    }
    return Content(facts["title"], facts, {role: packed(values) for role, values in series.items()})


def _findings(run_folder: Path) -> list[dict[str, str]]:
    """Check the folder as it is now; paths are told from the run folder on, since pages travel."""

    def shortened(text: str) -> str:
        return text.replace(f"{run_folder}/", "").replace(str(run_folder), ".")

    return [
        {
            "severity": finding.severity.value,
            "message": shortened(finding.message),
            "remedy": shortened(finding.remedy),
            "place": shortened(finding.place),
        }
        for finding in check_folder(run_folder).findings
    ]


class _Whole:
    """Adds to figures of each catchment that of all together: their mean, weighted by area."""

    def __init__(self, weights: Array) -> None:
        self._weights = weights / weights.sum()

    def mean(self, values: Array) -> Any:
        return np.tensordot(self._weights, values, axes=1)

    def figures(self, values: Array) -> list[float | None]:
        return figures(np.append(values, self.mean(values)))


def _axis(results: RunResults, *, with_observed: bool) -> TimeAxis:
    """Choose the shortest steps that keep the page within :data:`MAX_VALUES`."""
    n_curves = sum(
        len(panel.curves) for panel in panels_of({*results.quantities, *([OBSERVED] if with_observed else [])}, results.quantities.values())
    )
    axes = [results.axis_to_show(with_observed=with_observed), *(results.days.coarser(days) for days in LONGER_STEPS)]
    fitting = [axis for axis in axes if axis.n * n_curves * (len(results.ids) + 1) <= MAX_VALUES]
    return fitting[0] if fitting else axes[-1]


def _observations(results: RunResults, outlets: Outlets | None, file: Path) -> tuple[Array | None, Gauged | None]:
    """Read the observed flow of catchments, shape (N, days), NaN where there is none, and of gauges; None if there is none at all."""
    gauges = {} if outlets is None else outlets.gauges
    area = None if results.area is None else np.append(results.area, list(gauges.values()))
    observed = read_observed(file, results.days, [*results.ids, *gauges], area)
    gauged = None
    if outlets is not None and observed.keys() & gauges.keys():
        gauged = held_against(outlets, observed, results.means(RUNOFF, range(len(results.ids)), results.days))
    if not observed.keys() & set(results.ids):
        return None, gauged
    unknown = np.full(results.days.n, np.nan)
    return np.stack([observed.get(catchment, unknown) for catchment in results.ids]), gauged


def _skill(simulated: Array, observed: Array) -> dict[str, Array]:
    return {metric.__name__: metric(simulated.T, observed.T) for metric in (nse, kge, pbias)}


def _series(summaries: Mapping[str, Summary], stores: Sequence[Quantity], whole: _Whole) -> dict[str, Array]:
    """Give the series of the panels, with that of all catchments together as the last row.

    Quantiles of catchments do not add up to one of them together, which has none.
    """
    panels = panels_of(set(summaries), stores)
    drawn = {curve.role for panel in panels for curve in panel.curves}
    return {
        role: np.vstack([summary.series, whole.mean(summary.series) * (1.0 if level_of(role) is None else np.nan)])
        for role, summary in summaries.items()
        if role in drawn and summary.quantity.kind is not Kind.OTHER
    }


def _period(results: RunResults, budget: WaterBudget) -> dict[str, Any]:
    """Tell the days of the run, and those of its budgets: they begin with the run, or where the first step has ended."""
    end = results.start + timedelta(hours=results.hours)
    finest = results.finest
    counted = results.start if budget.whole else finest.start + timedelta(hours=finest.step)
    counted_to = end if budget.whole else finest.start + timedelta(hours=finest.hours)
    return {
        "start": results.start.isoformat(),
        "end": end.isoformat(),
        "budgetStart": counted.isoformat(),
        "budgetEnd": counted_to.isoformat(),
        "byDay": results.by_day,
    }


def _panels(drawn: Sequence[Panel], roles: set[str], outlets: Outlets | None) -> list[dict[str, Any]]:
    panels = [
        {"title": panel.title, "units": panel.kind.value, "height": panel.height, "curves": [_curve(curve) for curve in panel.curves]}
        for panel in drawn
    ]
    if outlets is not None:
        at = next(place for place, panel in enumerate(drawn) if panel.title == "Runoff")
        alike = {curve.role: curve for curve in panels_of(set(LIKE.values()))[0].curves}
        curves = [{**_curve(alike[LIKE[role]]), "role": role, "label": LABELS[role]} for role in LIKE if role == OUTLET or role in roles]
        panels.insert(at + 1, {"title": TITLE, "units": "m³/s", "height": 1.4, "curves": curves})
    return panels


def _curve(curve: Curve) -> dict[str, Any]:
    colours = {"light": curve.light, "dark": curve.dark}
    band = {"lower": curve.lower, "edge": curve.edge}
    return {"role": curve.role, "label": curve.label, **colours, "filled": curve.filled, "width": curve.width, **band}


def _measures(
    hours: int,
    summaries: Mapping[str, Summary],
    budget: WaterBudget,
    skill: Mapping[str, Array] | None,
    whole: _Whole,
    outlets: Outlets | None,
) -> list[dict[str, Any]]:
    """List what the map can show: runoff first, then how well it was met, then all else the run tells."""
    depths = totals(summaries, budget)
    measures = [_measure(summaries[RUNOFF], depths, whole)]
    if PRECIPITATION in depths:
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = depths[RUNOFF] / depths[PRECIPITATION]
        overall = whole.mean(depths[RUNOFF]) / whole.mean(depths[PRECIPITATION])
        measures.append({"label": "Runoff ratio", "units": "", "values": figures(np.append(ratio, overall))})
    if outlets is not None:
        flow = outlets.mean_flow(depths[RUNOFF], hours)
        measures.append({"label": "Mean flow at the outlet", "units": "m³/s", "values": [*figures(flow), None]})
    if skill is not None:
        for name, (label, units) in SKILL_LABELS.items():
            measures.append({"label": label, "units": units, "values": [*figures(skill[name]), None], "diverging": name == "pbias"})
    measures += [_measure(summary, depths, whole) for role, summary in summaries.items() if role != RUNOFF and level_of(role) is None]
    for role in (one.role for one in declared_outputs().values() if one.is_snow and one.role in summaries):
        measures.append({"label": "Largest snowpack", "units": "mm", "values": [*figures(summaries[role].largest), None]})
    if budget.residual is not None:
        label = "Rest of the water budget" if budget.missing else "Unexplained water"
        measures.append({"label": label, "units": "mm", "values": whole.figures(budget.residual), "diverging": True})
    return measures


def _measure(summary: Summary, depths: Mapping[str, Array], whole: _Whole) -> dict[str, Any]:
    """Show the total of a flux and the mean of anything else."""
    what = summary.quantity
    if what.kind is Kind.FLUX:
        return {"label": what.label, "units": "mm", "values": whole.figures(depths[what.role])}
    return {"label": f"{what.label}, mean", "units": what.units, "values": whole.figures(summary.mean)}


def _budget(budget: WaterBudget, whole: _Whole) -> dict[str, Any]:
    return {
        "terms": [
            {"label": term.label, "gain": term.gain, "stored": term.stored, "values": whole.figures(term.values)} for term in budget.terms
        ],
        "residual": None if budget.residual is None else whole.figures(budget.residual),
        "missing": budget.missing,
    }
