from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dmg_core.errors import ConfigError
from dmg_core.learning import loss
from dmg_core.learning.loss import LOSSES, BatchLoss, build_loss, register_loss
from dmg_core.registry import Registry

PUBLIC_NAMES = [
    "MSELoss",
    "MseLoss",
    "RmseLoss",
    "RmseCombLoss",
    "NseBatchLoss",
    "NseSqrtBatchLoss",
    "NseLogBatchLoss",
    "NseTrendBatchLoss",
    "KgeBatchLoss",
    "KgeNormBatchLoss",
    "RangeBoundLoss",
]
NAMES = sorted(LOSSES)
OF_OBSERVATIONS = [name for name in NAMES if name != "range_bound"]
BASINS = torch.arange(4)


@pytest.fixture(scope="module")
def figures(shared: Path) -> dict[str, np.ndarray]:
    """Give the inputs, values and gradients of the public framework."""
    return dict(np.load(shared / "parity" / "losses.npz"))


@pytest.fixture
def flows() -> tuple[Tensor, Tensor]:
    """Give simulated and observed flows of 30 days and 4 basins, some of them not observed."""
    generator = np.random.default_rng(7)
    observed = generator.gamma(0.7, 2.0, (30, 4))
    simulated = observed * generator.lognormal(0.0, 0.4, observed.shape)
    observed[generator.random(observed.shape) < 0.2] = np.nan
    return torch.tensor(simulated), torch.tensor(observed)


def value_and_gradient(loss: Any, simulated: Tensor, observed: Tensor, basins: Tensor) -> tuple[Tensor, Tensor]:
    """Give both, detached."""
    leaf = simulated.detach().clone().requires_grad_()
    value = loss(leaf, observed, basins)
    (gradient,) = torch.autograd.grad(value, leaf)
    return value.detach(), gradient


@pytest.mark.parametrize("name", PUBLIC_NAMES)
@pytest.mark.parametrize(("precision", "dtype", "tolerance"), [("f32", torch.float32, 2e-6), ("f64", torch.float64, 1e-12)])
def test_figures_of_the_public_framework_are_met(
    name: str, precision: str, dtype: torch.dtype, tolerance: float, figures: dict[str, np.ndarray]
) -> None:
    """Value and gradient are those of the public implementation, in both precisions and with gaps in the observations."""
    simulated, observed = (torch.tensor(figures[key]).to(dtype) for key in ("pred", "obs"))
    value, gradient = value_and_gradient(build_loss(name, figures["obs"]), simulated, observed, torch.arange(8))
    expected = figures[f"{name}_grad_{precision}"]
    assert value.dtype == gradient.dtype == dtype
    assert value.item() == pytest.approx(figures[f"{name}_{precision}"].item(), rel=tolerance)
    np.testing.assert_allclose(gradient.numpy(), expected, rtol=0.0, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize("name", PUBLIC_NAMES)
def test_a_batch_of_some_basins_is_weighed_as_the_public_framework_does(name: str, figures: dict[str, np.ndarray]) -> None:
    """With a choice of basins, each is weighed by its own column of the training's observations."""
    chosen = torch.tensor(figures["sub_ids"])
    simulated, observed = (torch.tensor(figures[key])[:, chosen] for key in ("pred", "obs"))
    value = build_loss(name, figures["obs"])(simulated, observed, chosen)
    assert value.item() == pytest.approx(figures[f"{name}_sub_f32"].item(), rel=2e-6)


@pytest.mark.parametrize("name", NAMES)
def test_double_precision_of_the_training_leaves_that_of_the_batch(name: str, flows: tuple[Tensor, Tensor]) -> None:
    """Observations of the training in float64 do not turn a batch in float32 into float64."""
    simulated, observed = flows
    assert build_loss(name, observed.numpy())(simulated.float(), observed.float(), BASINS).dtype == torch.float32


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_those_of_finite_differences(name: str, flows: tuple[Tensor, Tensor]) -> None:
    """The gradient is that of the value."""
    simulated, observed = flows
    loss = build_loss(name, observed)
    assert torch.autograd.gradcheck(lambda flow: loss(flow, observed, BASINS), (simulated.clone().requires_grad_(),))


@pytest.mark.parametrize("name", [name for name in OF_OBSERVATIONS if name != "nse_trend_batch"])
def test_missing_observations_are_as_if_their_times_were_not_there(name: str, flows: tuple[Tensor, Tensor]) -> None:
    """Value and gradient are those of the series without the times of the gaps, whatever is simulated there."""
    simulated, observed = flows
    loss = build_loss(name, observed)
    observed = observed.clone()
    gaps = torch.tensor([0, 5, 6, 29])
    kept = torch.tensor([time for time in range(30) if time not in gaps])
    observed[gaps] = torch.nan
    simulated[gaps] = torch.nan
    value, gradient = value_and_gradient(loss, simulated, observed, BASINS)
    expected, expected_gradient = value_and_gradient(loss, simulated[kept], observed[kept], BASINS)
    rounding = 1e-15 if name == "nse_variability_batch" else 0.0  # sums by basin go over the gaps' zeros, too
    torch.testing.assert_close(value, expected, rtol=rounding, atol=0.0)
    torch.testing.assert_close(gradient[kept], expected_gradient, rtol=0.0, atol=rounding)
    assert not gradient[torch.isnan(observed)].any()


def test_trend_weights_count_a_gap_as_no_flow() -> None:
    """A time after a gap weighs as if the flow had risen from zero, and what is simulated in the gap has no influence."""
    observed = torch.tensor([[1.0], [3.0], [torch.nan], [2.0], [2.0]], dtype=torch.float64)
    simulated = observed + 1.0
    loss = build_loss("nse_trend_batch", observed)
    variance = (np.nanstd(observed.numpy()) + 0.1) ** 2
    weights = 0.1 + np.array([2.0, 2.0, 2.0, 0.0]) / 3.0  # changes of 2, 2, then 2 from the gap and none; the gap's own, 3, is largest
    assert loss(simulated, observed, BASINS[:1]).item() == pytest.approx(weights.mean() / variance, rel=1e-14)


@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0])
def test_variability_is_best_between_correlation_and_that_observed(weight: float, flows: tuple[Tensor, Tensor]) -> None:
    """Of flows with one mean and correlation, the loss is least at a standard deviation of (r + w) / (1 + w) times the observed one."""
    simulated, observed = (flow[:, :1] for flow in flows)
    known = torch.isfinite(observed)
    mean, deviation = observed[known].mean(), observed[known].std(correction=0)
    around = simulated - simulated[known].mean()
    correlation = torch.corrcoef(torch.stack((simulated[known], observed[known])))[0, 1]
    best = (correlation + weight) / (1.0 + weight)
    ratio = best.clone().requires_grad_()
    loss = build_loss("nse_variability_batch", flows[1], variability=weight)
    value = loss(mean + ratio * deviation * around / around[known].std(correction=0), observed, BASINS[:1])
    (slope,) = torch.autograd.grad(value, ratio)
    variance = (deviation + 0.1) ** 2
    assert slope.item() == pytest.approx(0.0, abs=1e-12)
    assert value.item() == pytest.approx(
        (((1.0 + weight) * (best - 1.0) ** 2 + 2.0 * best * (1.0 - correlation)) * deviation**2 / variance).item(), rel=1e-12
    )


@pytest.mark.parametrize("name", OF_OBSERVATIONS)
def test_a_batch_without_observations_has_no_loss_and_no_gradient(name: str, flows: tuple[Tensor, Tensor]) -> None:
    """Where nothing was observed, the loss is zero with gradient zero."""
    simulated, observed = flows
    value, gradient = value_and_gradient(build_loss(name, observed), simulated, torch.full_like(observed, torch.nan), BASINS)
    assert value.item() == 0.0
    assert not gradient.any()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("simulated_flow", [0.0, 2.0, "as observed"])
@pytest.mark.parametrize("observed_flow", [0.0, 2.0, "varying"])
def test_gradients_are_finite_for_flows_without_variation(
    name: str, simulated_flow: float | str, observed_flow: float | str, flows: tuple[Tensor, Tensor]
) -> None:
    """Rivers without flow, and simulations that are constant or perfect, have finite values and gradients."""
    training = flows[1]
    observed = training.clone() if observed_flow == "varying" else torch.full_like(training, float(observed_flow))
    simulated = observed.nan_to_num(nan=1.0) if simulated_flow == "as observed" else torch.full_like(training, float(simulated_flow))
    value, gradient = value_and_gradient(build_loss(name, training), simulated, observed, BASINS)
    assert torch.isfinite(value)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_single_time_has_a_finite_loss(name: str, flows: tuple[Tensor, Tensor]) -> None:
    """A window of one day, and one basin, is enough."""
    simulated, observed = torch.tensor([[1.5]], dtype=torch.float64), torch.tensor([[1.0]], dtype=torch.float64)
    value, gradient = value_and_gradient(build_loss(name, flows[1]), simulated, observed, BASINS[:1])
    assert torch.isfinite(value)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_simulation_that_is_not_a_number_shows(name: str, flows: tuple[Tensor, Tensor]) -> None:
    """NaN where something was observed is not hidden."""
    simulated, observed = flows
    simulated[torch.isfinite(observed)] = torch.nan
    assert torch.isnan(build_loss(name, observed)(simulated, observed, BASINS))


def test_negative_flows_of_a_network_have_a_combined_loss(flows: tuple[Tensor, Tensor]) -> None:
    """Flows below zero count as zero under the root, so that the loss and its gradient stay finite."""
    simulated, observed = flows
    value, gradient = value_and_gradient(build_loss("rmse_comb", observed), -simulated, observed, BASINS)
    assert torch.isfinite(value)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("name", ["nse_batch", "nse_sqrt_batch", "nse_log_batch", "nse_trend_batch"])
def test_a_basin_without_observations_in_the_training_is_named(name: str, flows: tuple[Tensor, Tensor]) -> None:
    """A basin that cannot be weighed is an error where it is observed, and none where it is not."""
    simulated, observed = flows
    training = observed.clone()
    training[:, 2] = torch.inf
    loss = build_loss(name, training)
    with pytest.raises(ConfigError, match=r"columns \[2\] have no observations in the training"):
        loss(simulated, observed, BASINS)
    assert torch.isfinite(loss(simulated, training, BASINS))


def test_shares_of_the_combined_loss(flows: tuple[Tensor, Tensor]) -> None:
    """With a share of 0 it is the RMSE of the flows, with 1 that of the logarithms of their roots."""
    simulated, observed = flows
    known = torch.isfinite(observed)
    logarithms = [torch.log10(torch.sqrt(flow[known] + 1e-6) + 0.1) for flow in (simulated, observed)]
    of_flows = build_loss("rmse", observed)(simulated, observed, BASINS).item()
    of_logarithms = (logarithms[0] - logarithms[1]).pow(2).mean().sqrt().item()
    assert build_loss("rmse_comb", observed, log_share=0.0)(simulated, observed, BASINS).item() == pytest.approx(of_flows, rel=1e-12)
    assert build_loss("rmse_comb", observed, log_share=1.0)(simulated, observed, BASINS).item() == pytest.approx(of_logarithms, rel=1e-12)


def test_bounds_can_be_chosen() -> None:
    """Values outside the bounds cost their distance, summed over time and averaged over basins."""
    simulated = torch.tensor([[0.0, 2.0], [3.0, 7.0]])
    loss = build_loss("range_bound", simulated, lower=1.0, upper=4.0)
    assert loss(simulated, simulated, BASINS[:2]).item() == (1.0 + 3.0) / 2.0


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("nse", {}, "no loss called 'nse'; known are .*nse_batch"),
        ("mse", {"weight": 1.0}, "mse has no option weight"),
        ("rmse_comb", {"log_share": 1.5}, "log_share is 1.5; it must be 0 … 1"),
        ("range_bound", {"lower": 2.0, "upper": 1.0}, "lower is 2.0 and upper 1.0"),
    ],
)
def test_what_cannot_be_made_is_refused(name: str, options: dict[str, float], message: str) -> None:
    """Unknown losses, options and values are errors that say what would be right."""
    with pytest.raises(ConfigError, match=message):
        build_loss(name, np.ones((3, 2)), **options)


def test_observations_of_the_training_must_be_in_columns() -> None:
    """A single series is refused with its shape."""
    with pytest.raises(ConfigError, match=r"shape \(3,\); it must be \(times, basins\)"):
        build_loss("mse", np.ones(3))


@pytest.mark.parametrize(
    ("simulated", "observed", "basins", "message"),
    [
        ((3, 2), (3, 1), [0, 1], r"observed \(3, 1\)"),
        ((3,), (3,), [0], r"simulated has shape \(3,\)"),
        ((3, 2), (3, 2), [0], r"basins has shape \(1,\); with these flows it must be \(2,\)"),
        ((3, 2), (3, 2), [0, 2], r"basins has \[0, 2\]; they must be columns 0 … 1"),
        ((3, 2), (3, 2), [-1, 0], r"basins has \[-1, 0\]"),
    ],
)
def test_what_does_not_fit_together_is_refused(
    simulated: tuple[int, ...], observed: tuple[int, ...], basins: list[int], message: str
) -> None:
    """Shapes that do not fit, and basins that are not in the training, are errors and are not stretched to fit."""
    with pytest.raises(ValueError, match=message):
        build_loss("mse", np.ones((3, 2)))(torch.ones(simulated), torch.ones(observed), torch.tensor(basins))


@pytest.fixture
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put an empty registry in place, so that what a test enters does not stay."""
    monkeypatch.setattr(loss, "LOSSES", Registry("loss"))


@pytest.mark.usefixtures("own_registry")
def test_a_loss_of_ones_own_is_chosen_by_name() -> None:
    """A registered class is made with the observations and its options."""

    @register_loss("mae", "MaeLoss")
    class Mae(BatchLoss):
        def __init__(self, observed_of_training: np.ndarray, *, factor: float = 1.0) -> None:
            super().__init__(observed_of_training)
            self.factor = factor

        def _of_batch(self, simulated: Tensor, observed: Tensor, basins: Tensor) -> Tensor:
            return self.factor * (simulated - observed).abs().mean()

    loss = build_loss("MaeLoss", np.ones((3, 2)), factor=2.0)
    assert isinstance(loss, Mae)
    assert loss(torch.zeros(3, 2), torch.ones(3, 2), BASINS[:2]).item() == 2.0
