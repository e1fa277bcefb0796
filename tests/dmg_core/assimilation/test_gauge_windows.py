"""Gauges over many unit basins: what they see, what they may change, and what they find."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dmg_core.assimilation import AnalysisSettings, Cost, GaugedRun, analyse
from dmg_core.assimilation.gauge_windows import GaugeWindows
from dmg_core.routing import Membership
from tests.dmg_core.assimilation.test_cost import CATCHMENTS, DAYS, make_any
from tests.dmg_core.assimilation.twins import make_twin

#: Two gauges over three units: one above both, one above the second alone.
MEMBERSHIP = Membership.from_pairs(
    [("upper", "a"), ("upper", "b"), ("lower", "a"), ("lower", "b"), ("lower", "c")], {"a": 1.0, "b": 3.0, "c": 4.0}
)
EVERYTHING = AnalysisSettings(precipitation_spread=0.3, transit_spread=0.4, memory=7.0, together=5)


def make_gauges(name: str) -> GaugeWindows:
    """Windows of the gauges."""
    observed = np.random.default_rng(4).gamma(1.0, 3.0, (DAYS, 2))
    observed[2:4, 1] = np.nan
    return GaugeWindows.of(make_any(name), MEMBERSHIP, ("upper", "lower"), observed)


@pytest.mark.parametrize("name", ["Hbv_2", "Hymod"])
def test_gradient_is_that_of_differences(name: str) -> None:
    """Derivatives by shared unknowns are those of central differences to 1e-6; there is one unknown a store, and one for steps together."""
    cost = Cost(make_gauges(name), EVERYTHING, np.full(2, 2.0))
    assert cost.unknowns == len(cost.windows.process.stores) + 3 + 1
    at = 0.3 * np.random.default_rng(1).normal(size=(2, cost.unknowns))
    value, gradient = cost.gradient(at)
    np.testing.assert_allclose(value, cost.value(at), rtol=1e-13)
    step, scale = 1e-5, np.abs(gradient).max(axis=1)
    assert (np.abs(gradient) > 0.0).mean() > 0.5
    for unknown in range(cost.unknowns):
        moved = np.zeros_like(at)
        moved[:, unknown] = step
        difference = (cost.value(at + moved) - cost.value(at - moved)) / (2.0 * step)
        np.testing.assert_allclose(gradient[:, unknown] / scale, difference / scale, atol=1e-6)


def test_a_gauge_sees_the_mean_of_its_units() -> None:
    """Flow at a gauge is the mean of that of its units, weighted by area, and a unit above two gauges is in both."""
    units, gauges = make_any("Hbv_2"), make_gauges("Hbv_2")
    alone = units.run(units.stores, units.forcing, units.in_transit).flow
    cost = Cost(gauges, EVERYTHING, np.full(2, 2.0))
    flow = cost.flow(np.zeros((2, cost.unknowns)))
    np.testing.assert_allclose(flow[:, 0], alone[:, :2] @ [0.25, 0.75], rtol=1e-12)
    np.testing.assert_allclose(flow[:, 1], alone @ [0.125, 0.375, 0.5], rtol=1e-12)
    assert len(gauges) == 2
    assert CATCHMENTS == 3


def test_a_gauge_finds_what_its_units_share() -> None:
    """Where all units above a gauge are too dry by one factor of each store, the error of their stores falls by 80 %."""
    _, _, loop = make_twin(nmul=2, catchments=3, warmer=25.0)
    membership = Membership.from_pairs([("gauge", one) for one in loop.ids], dict.fromkeys(loop.ids, 2.0))
    run = GaugedRun(loop, membership, loop.flow.mean(1, keepdims=True))
    np.testing.assert_allclose(run.flow, run.observed, rtol=1e-12)
    held = loop.stores[100:]
    spread = held.mean(0)  # as wide for all units, so that one unknown is one factor
    truth = run.windows((300, 420), 30, 0, spread, held.mean(0))
    assert isinstance(truth, GaugeWindows)
    factors = np.array([1.0, 1.0, 0.7, 0.5, 0.6])
    wrong = replace(truth, units=replace(truth.units, stores=truth.stores * factors))
    exact = AnalysisSettings(
        store_spread=1.0,
        precipitation_spread=0.0,
        relative_error=0.01,
        error_floor=0.001,
        memory=float("inf"),
        evaluations=200,
        tolerance=1e-8,
    )
    analysis = analyse(wrong, exact, np.full(2, float(run.observed.std())))
    error = [np.abs(stores - truth.stores).sum() for stores in (wrong.stores, analysis.start.stores)]
    assert error[1] < 0.2 * error[0]
    assert (analysis.misfit[:, 1] < 0.01 * analysis.misfit[:, 0]).all()


def test_gauges_know_nothing_of_each_other() -> None:
    """An analysis of one gauge has the very bits that it has among others."""
    gauges, deviation = make_gauges("Hbv_2"), np.full(2, 2.0)
    together = analyse(gauges, EVERYTHING, deviation)
    alone = analyse(gauges.take(np.array([1])), EVERYTHING, deviation[:1])
    np.testing.assert_array_equal(alone.unknowns[0], together.unknowns[1])
    np.testing.assert_array_equal(alone.start.stores, together.start.stores[2:])
