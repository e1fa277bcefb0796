"""Tests of dmg_core.routing.delay_bound."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dmg_core.errors import ConfigError
from dmg_core.routing import unit_hydrograph
from dmg_core.routing.delay_bound import DelayBound, bounded, mean_delay


def hydrographs(*pairs: tuple[float, float], steps: int = 15) -> torch.Tensor:
    """Weights (B, L)."""
    return unit_hydrograph(*torch.tensor(pairs, dtype=torch.float64).T, steps)


def test_a_day_of_flow_is_a_length_over_a_speed() -> None:
    """43.2 km at 0.5 m/s take a day, 24 hours; the main stream of 100 km² is 1.27 * 100^0.6 = 20.13 km long by Hack's law."""
    length = DelayBound("lengthkm", of="length")
    assert length.steps(torch.tensor([43.2]), 1).item() == pytest.approx(1.0)
    assert length.steps(torch.tensor([43.2]), 24).item() == pytest.approx(24.0)
    area = DelayBound("catchsize", of="area", speed=1.0)
    assert area.steps(torch.tensor([100.0]), 1).item() == pytest.approx(20.128 / 86.4, rel=1e-4)


@given(a=st.floats(0.0, 5.0), b=st.floats(0.0, 12.0), longest=st.floats(0.01, 20.0), steps=st.sampled_from([15, 72]))
def test_the_mean_delay_is_never_longer_than_allowed(a: float, b: float, longest: float, steps: int) -> None:
    """What is longer gets the longest mean delay allowed, what is not stays as it is bit for bit, and no water is lost."""
    weights = hydrographs((a, b), steps=steps)
    found = bounded(weights, torch.tensor([longest], dtype=torch.float64))
    before = mean_delay(weights).item()
    if before <= longest:
        assert torch.equal(found, weights)
    else:
        assert mean_delay(found).item() == pytest.approx(longest, rel=1e-9)
    assert found.sum().item() == pytest.approx(1.0, abs=1e-12)
    assert (found >= 0.0).all()


def test_a_shortened_gamma_hydrograph_is_a_gamma_hydrograph() -> None:
    """It has the same shape and a shorter time scale: the logarithm of its ratio to the long one is linear in time."""
    weights = hydrographs((2.0, 5.0))
    ratio = torch.log(bounded(weights, torch.tensor([1.5], dtype=torch.float64)) / weights)[0]
    slopes = torch.diff(ratio)
    torch.testing.assert_close(slopes, slopes[0].expand(14), rtol=1e-9, atol=1e-12)
    scale = 1.0 / (1.0 / 5.5 - slopes[0].item())
    torch.testing.assert_close(
        bounded(weights, torch.tensor([1.5], dtype=torch.float64)), hydrographs((2.0, scale - 0.5)), rtol=1e-7, atol=1e-12
    )


def test_gradients_flow_through_the_bound() -> None:
    """To shape, time scale and bound they equal differences, for hydrographs above and below the bound."""
    values = torch.tensor([[2.0, 5.0], [0.3, 0.2], [1.0, 1.0]], dtype=torch.float64, requires_grad=True)
    longest = torch.tensor([1.5, 2.0, 0.7], dtype=torch.float64, requires_grad=True)

    def shortened(values: torch.Tensor, longest: torch.Tensor) -> torch.Tensor:
        return bounded(unit_hydrograph(*values.T, 15), longest)

    assert torch.autograd.gradcheck(shortened, (values, longest), eps=1e-7, atol=1e-6)


def test_a_lost_share_stays_lost() -> None:
    """A hydrograph that sums to less than 1 keeps its sum."""
    weights = 0.6 * hydrographs((2.0, 5.0))
    assert bounded(weights, torch.tensor([1.0])).sum().item() == pytest.approx(0.6, abs=1e-12)


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"of": "volume"}, "of is 'volume'"), ({"speed": 0.0}, "speed is 0.0"), ({"speed": "fast"}, "speed is 'fast'")],
)
def test_settings_without_sense_are_refused(settings: dict[str, object], message: str) -> None:
    """Key and value are named."""
    with pytest.raises(ConfigError, match=message):
        DelayBound("catchsize", **settings)  # type: ignore[arg-type]
