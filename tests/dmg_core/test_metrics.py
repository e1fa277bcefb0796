from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dmg_core.metrics import METRICS, Metric, bias, bias_rel, d_max, flv, kge, nse, pbias, rmse_fdc, rmse_ub

EFFICIENCIES = [nse, kge, pbias]
OF_ALL_SIMULATED = {"bias_rel", "rmse_ub", "rmse_fdc", "d_max", "d_max_rel"}
OF_PAIRS = sorted(set(METRICS) - OF_ALL_SIMULATED)
PERFECT_IS_ONE = {"corr", "corr_spearman", "r2", "nse", "kge", "kge_12"}
SIMULATED = np.array([1.0, 2.0, 4.0, 3.0])
OBSERVED = np.array([1.0, 3.0, 3.0, 5.0])
HUNDRED = np.arange(1.0, 101.0)


@pytest.fixture(scope="module")
def figures(parity: Path) -> dict[str, np.ndarray]:
    """Give the inputs and figures of the public framework."""
    return dict(np.load(parity / "metrics.npz"))


@pytest.mark.parametrize("name", METRICS)
def test_figures_of_the_public_framework_are_met(name: str, figures: dict[str, np.ndarray]) -> None:
    """With gaps in the observations, each column has the figure that the public implementation gives."""
    np.testing.assert_allclose(METRICS[name](figures["pred"], figures["obs"]), figures[name], rtol=1e-12)


@pytest.mark.parametrize("name", METRICS)
def test_figures_of_a_single_complete_series_are_met(name: str, figures: dict[str, np.ndarray]) -> None:
    """A series without gaps (here filled with 1) gives a plain number, that of the public implementation."""
    value = METRICS[name](figures["pred"][:, 0], np.nan_to_num(figures["obs"][:, 0], nan=1.0))
    assert np.ndim(value) == 0
    assert value == pytest.approx(figures[f"single_{name}"].item(), rel=1e-12)


def test_the_table_has_all_figures_of_the_public_framework(figures: dict[str, np.ndarray]) -> None:
    """No metric of the public framework is left out."""
    assert {name for name in figures if not name.startswith("single_")} - {"pred", "obs"} == set(METRICS)
    assert all(METRICS[name].__name__ == name for name in METRICS)


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        (nse, 1.0 - 6.0 / 8.0),
        (kge, 1.0 - np.sqrt((4.0 / np.sqrt(5.0 * 8.0) - 1.0) ** 2 + (np.sqrt(5.0 / 8.0) - 1.0) ** 2 + (10.0 / 12.0 - 1.0) ** 2)),
        (pbias, 100.0 * -2.0 / 12.0),
        (METRICS["mae"], 4.0 / 4.0),
        (METRICS["rmse"], np.sqrt(6.0 / 4.0)),
        (rmse_ub, np.sqrt(6.0 / 4.0 - 0.25)),
        (METRICS["pbias_abs"], 100.0 * 4.0 / 12.0),
        (METRICS["corr"], 4.0 / np.sqrt(5.0 * 8.0)),
        (METRICS["corr_spearman"], 3.0 / np.sqrt(5.0 * 4.5)),
        (d_max, 4.0 - 5.0),
        (METRICS["d_max_rel"], 100.0 * -1.0 / 5.0),
    ],
)
def test_metrics_of_a_case_worked_by_hand(metric: Metric, value: float) -> None:
    """One series gives one number, the one that the definition gives."""
    assert metric(SIMULATED, OBSERVED) == pytest.approx(value, rel=1e-14)


def test_parts_of_the_duration_curve() -> None:
    """Of 100 flows in any order, the lowest 30, the highest 2 and the 68 between are compared rank by rank."""
    simulated = np.random.default_rng(1).permutation(np.concatenate([HUNDRED[:30] - 1.0, HUNDRED[30:98] + 0.5, HUNDRED[98:] * 1.1]))
    values = {name: METRICS[name](simulated, HUNDRED) for name in METRICS}
    assert values["rmse_low"] == values["rmse_mid"] * 2.0 == 1.0
    assert values["rmse_high"] == pytest.approx(np.sqrt((9.9**2 + 10.0**2) / 2.0))
    assert values["flv"] == -values["flv_abs"] == pytest.approx(-100.0 * 30.0 / 465.0, rel=1e-6)
    assert values["pbias_mid"] == values["pbias_abs_mid"] == pytest.approx(100.0 * 34.0 / HUNDRED[30:98].sum())
    assert values["fhv"] == values["fhv_abs"] == pytest.approx(10.0)


def test_absolute_biases_add_up_what_cancels() -> None:
    """Errors of opposite sign cancel in a bias, and not in an absolute one."""
    simulated = HUNDRED.copy()
    simulated[98:] = [98.5, 100.5]
    simulated[48:50] = [48.5, 50.5]
    assert METRICS["fhv"](simulated, HUNDRED) == METRICS["pbias_mid"](simulated, HUNDRED) == 0.0
    assert METRICS["fhv_abs"](simulated, HUNDRED) == pytest.approx(100.0 / 199.0)
    assert METRICS["pbias_abs_mid"](simulated, HUNDRED) == pytest.approx(100.0 / HUNDRED[30:98].sum())


@pytest.mark.parametrize("name", OF_PAIRS)
def test_times_without_both_flows_do_not_count(name: str) -> None:
    """A gap in either series leaves that time out of both."""
    simulated = np.random.default_rng(2).permutation(HUNDRED) * 1.1
    value = METRICS[name](np.concatenate([simulated, [7.0, np.nan, np.inf]]), np.concatenate([HUNDRED, [np.nan, 9.0, 9.0]]))
    assert value == pytest.approx(METRICS[name](simulated, HUNDRED), rel=1e-14)


@pytest.mark.parametrize("name", sorted(OF_ALL_SIMULATED))
def test_observations_without_a_simulation_do_not_count(name: str) -> None:
    """Metrics that look at unobserved times leave out unsimulated ones."""
    simulated, observed = np.concatenate([SIMULATED, [np.nan]]), np.concatenate([OBSERVED, [9.0]])
    assert METRICS[name](simulated, observed) == METRICS[name](SIMULATED, OBSERVED)


def test_some_metrics_look_at_simulated_flows_of_unobserved_times() -> None:
    """As in the public framework, these four count what is simulated where nothing was observed."""
    simulated, observed = np.concatenate([SIMULATED, [8.0]]), np.concatenate([OBSERVED, [np.nan]])
    assert bias_rel(simulated, observed) == pytest.approx(18.0 / 12.0 - 1.0)
    assert rmse_ub(simulated, observed) == pytest.approx(np.sqrt(np.mean((SIMULATED - 3.6 - OBSERVED + 3.0) ** 2)))
    assert d_max(simulated, observed) == 8.0 - 5.0
    curves = np.repeat([8.0, 4.0, 3.0, 2.0, 1.0], 20) - np.repeat([5.0, 3.0, 3.0, 1.0], 25)
    assert rmse_fdc(simulated, observed) == pytest.approx(np.sqrt(np.mean(curves**2)))


@pytest.mark.parametrize(("days", "peak"), [(0, 7.0), (-10, 7.0), (10, 7.0), (-11, 1.0), (11, 1.0)])
def test_the_simulated_peak_is_sought_near_the_observed_one(days: int, peak: float) -> None:
    """A simulated peak counts up to ten times before or after the observed one."""
    observed, simulated = np.ones(60), np.ones(60)
    observed[30], simulated[30 + days] = 5.0, 7.0
    assert d_max(simulated, observed) == peak - 5.0


def test_equal_flows_share_a_rank() -> None:
    """The rank correlation of series with ties is that of their mean ranks."""
    assert METRICS["corr_spearman"]([1.0, 1.0, 2.0, 5.0], [1.0, 2.0, 3.0, 4.0]) == pytest.approx(4.5 / np.sqrt(4.5 * 5.0))


@pytest.mark.parametrize("name", METRICS)
def test_a_perfect_simulation(name: str) -> None:
    """The observations themselves get the best figure there is."""
    assert METRICS[name](HUNDRED, HUNDRED) == pytest.approx(float(name in PERFECT_IS_ONE), abs=1e-14)


@pytest.mark.parametrize("metric", EFFICIENCIES)
def test_metrics_of_a_river_without_flow_are_nan(metric: Metric) -> None:
    """Where all observations are zero, there is no figure, nor a warning."""
    assert np.isnan(metric(SIMULATED, [0.0] * 4))


@pytest.mark.parametrize("name", METRICS)
def test_metrics_without_observations_are_nan(name: str) -> None:
    """Without observations there is no figure, nor a warning; other columns keep theirs."""
    assert np.isnan(METRICS[name](SIMULATED, [np.nan] * 4))
    columns = METRICS[name](np.stack([HUNDRED, HUNDRED], 1), np.stack([np.full(100, np.nan), HUNDRED], 1))
    assert list(np.isnan(columns)) == [True, False]


@pytest.mark.parametrize(("metric", "value"), [(bias, 2e5), (flv, 100.0 * 2.0 / 1e-4)])
def test_relative_errors_of_a_dry_river_are_finite(metric: Metric, value: float) -> None:
    """Metrics of low flows divide by a little more than the observed flow."""
    assert metric([2.0, 2.0], [0.0, 0.0]) == pytest.approx(value)


@pytest.mark.parametrize("name", METRICS)
def test_shapes_must_agree(name: str) -> None:
    """Series of different length are an error that names both shapes."""
    with pytest.raises(ValueError, match=r"\(4,\), observed \(3,\)"):
        METRICS[name](SIMULATED, OBSERVED[:3])
