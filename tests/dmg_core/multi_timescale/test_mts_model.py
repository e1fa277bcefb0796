"""Tests of dmg_core.multi_timescale.model: days, then hours, in torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dmg_core.multi_timescale import MultiTimescaleModel, load_multi_timescale_model
from tests.dmg_core.factories import make_weather
from tests.dmg_core.multi_timescale.factories import HOURLY, days_of, make_attributes, make_model, mts_case


def tensors(model: MultiTimescaleModel, catchments: int, days: int = 3, hours: int = 30) -> tuple[torch.Tensor, ...]:
    """Days, hours, attributes and upstream areas of some catchments, in float64."""
    attributes = make_attributes(catchments)
    table = np.stack([attributes[name] for name in model.settings.daily.attributes], axis=1)
    weather = make_weather(hours, catchments, 1) / (1.0, 1.0, 24.0)  # cloudbursts, which the soil cannot take in
    return tuple(torch.from_numpy(array) for array in (make_weather(days, catchments), weather, table, attributes["uparea"]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_model_equals_the_public_implementation(dtype: str, shared: Path) -> None:
    """Days, then the hours before and after a re-anchoring, give what the public BMI reports after it, hour by hour and in volume."""
    case = mts_case(shared)
    model = load_multi_timescale_model(case.folder, dtype)
    days, hours = (torch.from_numpy(array) for array in (days_of(case.hours), case.hours))
    attributes = torch.tensor([[case.attributes[name] for name in model.settings.daily.attributes]], dtype=torch.float64)
    flows = []
    for t in (8592, 8760):
        with torch.no_grad():
            outputs, _ = model(days[t // 24 - 358 : t // 24 - 7], hours[t - 168 : t + 168], attributes, upstream_area=torch.tensor([3.254]))
        flows.append(outputs["streamflow"][168:, 0].numpy())
    flow = np.concatenate(flows)
    np.testing.assert_allclose(flow, case.flow[8592:], rtol=1e-5, atol=0.0)
    assert flow.sum() / case.flow[8592:].sum() == pytest.approx(1.0, abs=5e-6)


@pytest.mark.parametrize("physics", HOURLY)
def test_gradients_reach_weather_attributes_and_both_networks(physics: str) -> None:
    """A loss on the hourly flow moves every weight that flow depends on, through the hand-over too, and is sensitive to days and hours."""
    model = make_model(physics, nmul=2)
    days, hours, attributes, area = tensors(model, 3)
    for tensor in (days, hours, attributes):
        tensor.requires_grad_()
    outputs, _ = model(days, hours, attributes, upstream_area=area)
    outputs["streamflow"].square().mean().backward()
    named = dict(model.named_parameters())
    assert {name.partition(".")[2].partition(".")[0] for name in named} == {"lstm_mlp", "lstm_mlp2", "h_transfer", "c_transfer"}
    gradients = {"days": days.grad, "hours": hours.grad, "attributes": attributes.grad} | {name: named[name].grad for name in named}
    for name, gradient in gradients.items():
        if ".ann2." in name:  # routing is off
            assert gradient is None, name
            continue
        assert gradient is not None, name
        assert torch.isfinite(gradient).all(), name
        assert gradient.abs().sum() > 0.0, name


@pytest.mark.parametrize("physics", HOURLY)
def test_gradients_are_right(physics: str) -> None:
    """Derivatives of the hourly flow to days, hours and attributes are those of differences."""
    model = make_model(physics, seed=3)
    days, hours, attributes, area = tensors(model, 1, days=2, hours=4)
    days[..., 1], hours[..., 1] = 6.0, 7.0  # away from the threshold of snow, where the flow has no derivative

    def flow(days: torch.Tensor, hours: torch.Tensor, attributes: torch.Tensor) -> torch.Tensor:
        outputs, _ = model(days, hours, attributes, upstream_area=area)
        streamflow: torch.Tensor = outputs["streamflow"]
        return streamflow

    inputs = [tensor.requires_grad_() for tensor in (days, hours, attributes)]
    assert torch.autograd.gradcheck(flow, inputs, eps=1e-6, atol=1e-7, rtol=1e-5)


@pytest.mark.parametrize("physics", HOURLY)
def test_hours_go_on_from_the_days(physics: str) -> None:
    """Water at the start of the hours is the days' last water, and stores that the daily model lacks start from nothing."""
    model = make_model(physics, nmul=3)
    days, hours, attributes, area = tensors(model, 4)
    with torch.no_grad():
        state = model.daily.physics.initial_state(4, days)
        _, last, _ = model.daily.go_on(days, attributes, model.daily.lstm.initial_state(4), state, upstream_area=area)
        first = model.first_hourly_state(last)
        outputs, end = model(days, hours, attributes, upstream_area=area)
    assert torch.equal(first.stores[..., :5], last.stores)
    assert (first.stores[..., 5:] == 0.001).all()
    gained = hours[..., 0].sum(0) + outputs["regional_exchange"].sum(0)
    lost = outputs["aet"].sum(0) + outputs["streamflow"].sum(0) + outputs["leaked"].sum(0)
    change = end.stores.sum(-1).mean(-1) - first.stores.sum(-1).mean(-1)
    torch.testing.assert_close(gained - lost, change, rtol=1e-10, atol=1e-10)
    assert set(outputs) == set(model.hourly.physics.layout.outputs)


def test_weights_are_registered_once() -> None:
    """The state_dict has the stacked network's names alone, although two models use its halves."""
    model = make_model()
    assert set(model.state_dict()) == {f"network.{name}" for name in model.network.state_dict()}
    assert model.daily.lstm is model.network.lstm_mlp
    assert model.hourly.lstm is model.network.lstm_mlp2
