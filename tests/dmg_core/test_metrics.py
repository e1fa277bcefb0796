from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dmg_core.metrics import kge, nse, pbias

METRICS = [nse, kge, pbias]
SIMULATED = np.array([1.0, 2.0, 4.0, 3.0])
OBSERVED = np.array([1.0, 3.0, 3.0, 5.0])


@pytest.mark.parametrize("metric", METRICS)
def test_figures_of_the_public_framework_are_met(metric: Callable[..., np.ndarray], shared: Path) -> None:
    """With gaps in the observations, each column has the figure that the public implementation gives."""
    figures = np.load(shared / "parity" / "metrics.npz")
    np.testing.assert_allclose(metric(figures["pred"], figures["obs"]), figures[metric.__name__], rtol=1e-12)


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        (nse, 1.0 - 6.0 / 8.0),
        (kge, 1.0 - np.sqrt((4.0 / np.sqrt(5.0 * 8.0) - 1.0) ** 2 + (np.sqrt(5.0 / 8.0) - 1.0) ** 2 + (10.0 / 12.0 - 1.0) ** 2)),
        (pbias, 100.0 * -2.0 / 12.0),
    ],
)
def test_metrics_of_a_case_worked_by_hand(metric: Callable[..., float], value: float) -> None:
    """One series gives one number, the one that the definition gives."""
    assert metric(SIMULATED, OBSERVED) == pytest.approx(value, rel=1e-14)


@pytest.mark.parametrize("metric", METRICS)
def test_times_without_both_flows_do_not_count(metric: Callable[..., float]) -> None:
    """A gap in either series leaves that time out of both."""
    simulated = np.concatenate([SIMULATED, [7.0, np.nan, np.inf]])
    observed = np.concatenate([OBSERVED, [np.nan, 9.0, 9.0]])
    assert metric(simulated, observed) == metric(SIMULATED, OBSERVED)


@pytest.mark.parametrize(("metric", "perfect"), [(nse, 1.0), (kge, 1.0), (pbias, 0.0)])
def test_a_perfect_simulation(metric: Callable[..., float], perfect: float) -> None:
    """The observations themselves get the best figure there is."""
    assert metric(OBSERVED, OBSERVED) == pytest.approx(perfect, abs=1e-15)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("observed", [[np.nan] * 4, [0.0] * 4])
def test_what_is_not_defined_is_nan(metric: Callable[..., float], observed: list[float]) -> None:
    """Without observations, and where they are all zero, there is no figure, nor a warning."""
    assert np.isnan(metric(SIMULATED, observed))


def test_shapes_must_agree() -> None:
    """Series of different length are an error that names both shapes."""
    with pytest.raises(ValueError, match=r"\(4,\), observed \(3,\)"):
        nse(SIMULATED, OBSERVED[:3])
