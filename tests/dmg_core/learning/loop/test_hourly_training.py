"""Tests of training a multi-timescale model: the same trainer, on paired windows of days and hours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dmg_core.learning.data.hourly_material import HourlyMaterial, make_hourly_material
from dmg_core.learning.data.sampler import Batch
from dmg_core.learning.loop.train import make_parts, train
from dmg_core.multi_timescale.model import MultiTimescaleModel
from tests.dmg_core.learning.hourly_synthetic import make_data, make_hourly_experiment
from tests.dmg_core.learning.loop.test_trainer import InterruptionError, Recorder, last_of, log_of, same

#: Model and data in double precision, for comparisons with differences.
EXACT = {"precision": "float64"}


def parts_of(*, lumped: bool = True, daily_only: tuple[int, ...] = (), **changes: Any) -> tuple[HourlyMaterial, MultiTimescaleModel, Any]:
    """Material, model and the rest of a training; the model's network in double precision, with all weights drawn at random."""
    experiment = make_hourly_experiment(**{**EXACT, **changes})
    material = make_hourly_material(make_data(lumped=lumped, daily_only=daily_only), experiment)
    parts = make_parts(experiment, material)
    model = parts.model.double()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator, dtype=torch.float64) * 0.7)
    return material, model, parts


def loss_of(material: HourlyMaterial, model: MultiTimescaleModel, batch: Batch) -> torch.Tensor:
    """Mean squared difference where there is an observation."""
    simulated, observed, _ = material.compare(model, batch, None)
    known = torch.isfinite(observed)
    loss: torch.Tensor = (simulated - observed)[known].square().mean()
    return loss


def batch_of(gauges: list[int], start: int = 24 * 6) -> Batch:
    """Gauges in a window whose hours begin at ``start``."""
    return Batch(np.array(gauges), np.full(len(gauges), start))


@pytest.mark.parametrize("lumped", [True, False])
def test_the_gradient_is_that_of_differences(lumped: bool) -> None:
    """Derivatives of the loss to weights of both halves, of the hand-over and of the routing are those of central differences."""
    material, model, _ = parts_of(lumped=lumped)
    batch = batch_of([0, 1, 2])
    model.zero_grad()
    loss_of(material, model, batch).backward()
    named = dict(model.network.named_parameters())
    checked = (
        "lstm_mlp.lstm_inv.w_hh", "lstm_mlp.linear_out.weight", "lstm_mlp.ann.9.bias", "h_transfer.weight", "c_transfer.bias",
        "lstm_mlp2.in_proj.weight", "lstm_mlp2.linear_out.bias", "lstm_mlp2.ann1.9.bias", "lstm_mlp2.ann2.9.weight",
    )  # fmt: skip
    for name in checked:
        weight, gradient = named[name], named[name].grad
        assert gradient is not None, name
        place = int(gradient.abs().argmax())
        expected = gradient.flatten()[place].item()
        assert expected != 0.0, name
        found = []
        for step in (1e-5, -1e-5):
            with torch.no_grad():
                weight.view(-1)[place] += step
                found.append(loss_of(material, model, batch).item())
                weight.view(-1)[place] -= step
        assert (found[0] - found[1]) / 2e-5 == pytest.approx(expected, rel=1e-4, abs=1e-9), name


def test_a_window_is_days_then_hours_of_the_model() -> None:
    """What a window gives is what the model's own forward run gives of its days and hours, without the warm-up, in mm/d."""
    material, model, _ = parts_of(hourly={"routing": False})
    start = 24 * 6
    with torch.no_grad():
        flow, _ = material.run(model, start, np.array([0, 2]))
        units = [0, 2]
        outputs, _ = model(
            material.days[3:6, units],
            material.forcing[start : start + 72, units],
            material.attributes[units],
            upstream_area=material.upstream_area[units],
            elevation=material.elevation[units],
        )
    torch.testing.assert_close(flow, 24.0 * outputs["streamflow"][24:], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("lumped", [True, False])
def test_windows_know_nothing_of_their_batch_mates(lumped: bool) -> None:
    """A gauge has the flow it has alone, to rounding, whichever others share its window, and units above two gauges are there once."""
    material, model, _ = parts_of(lumped=lumped)
    with torch.no_grad():
        together, _ = material.run(model, 24 * 6, np.array([0, 1, 2]))
        for gauge in range(3):
            alone, _ = material.run(model, 24 * 6, np.array([gauge]))
            torch.testing.assert_close(alone[:, 0], together[:, gauge], rtol=1e-11, atol=1e-14)
    if not lumped:
        assert material.membership.part([0, 1]).membership.units == ("u1", "u2", "u3")


def test_transfers_of_zero_equal_none() -> None:
    """A model that begins to learn, whose transfers are zeros, gives what one without transfers gives."""
    flows = []
    for use_transfer in (True, False):
        experiment = make_hourly_experiment(hourly={"use_transfer": use_transfer}, **EXACT)
        material = make_hourly_material(make_data(), experiment)
        model = make_parts(experiment, material).model
        reference = flows and flows[0][1]
        if reference:
            model.network.load_state_dict({n: w for n, w in reference.network.state_dict().items() if "_transfer" not in n})
        with torch.no_grad():
            flows.append((material.run(model, 24 * 6, np.array([0, 1, 2]))[0], model))
    assert (flows[0][1].network.h_transfer is None, flows[1][1].network.h_transfer is None) == (False, True)
    assert torch.equal(flows[0][0], flows[1][0])


def test_a_normalised_day_is_the_mean_of_its_normalised_hours() -> None:
    """Statistics of days follow from those of hours, so that the daily network reads means of what the hourly one reads."""
    material, model, _ = parts_of()
    hours = model.hourly.normalize_forcing(material.forcing.double())
    days = model.daily.normalize_forcing(material.days.double())
    torch.testing.assert_close(days, hours.unflatten(0, (-1, 24)).mean(1), rtol=1e-12, atol=1e-12)


def test_days_are_compared_with_means_of_their_hours() -> None:
    """Of a gauge with daily means alone, the simulated hours of a day are their mean, and its loss is that of the days."""
    material, model, _ = parts_of(daily_only=(1,))
    batch = batch_of([0, 1])
    with torch.no_grad():
        simulated, observed, _ = material.compare(model, batch, None)
        hourly, _ = material.run(model, 24 * 6, batch.basins)
    assert torch.equal(simulated[:, 0], hourly[:, 0])
    means = hourly[:, 1].unflatten(0, (2, 24)).mean(1)
    torch.testing.assert_close(simulated[:, 1].unflatten(0, (2, 24)), means[:, None].expand(2, 24))
    days = torch.from_numpy(make_data(daily_only=(1,)).daily_flow[7:9, 1])
    torch.testing.assert_close((simulated - observed)[:, 1].square().mean(), (means - days).square().mean())


def test_windows_that_follow_go_on_where_the_ones_before_have_ended() -> None:
    """Weeks in order are one run: the flow is that of a single window over all of their hours."""
    material, model, _ = parts_of(lumped=False, sampler={"name": "continuous", "weeks": 3})
    gauges, flows, carried = np.array([0, 1, 2]), [], None
    with torch.no_grad():
        for week in range(3):
            flow, carried = material.run(model, 24 * 6 + 48 * week, gauges, carried)
            flows.append(flow)
        whole_material, _, _ = parts_of(lumped=False, hourly={"hours": 144})
        whole, _ = whole_material.run(model, 24 * 6, gauges)
    torch.testing.assert_close(torch.cat(flows), whole, rtol=1e-12, atol=1e-13)


def test_low_flow_is_not_learned_from() -> None:
    """Below the quantile of its own flow a gauge has nothing to learn from; validation sees all of it."""
    all_of_it, *_ = parts_of()
    material, *_ = parts_of(hourly={"low_flow": 0.25})
    for gauge in range(3):
        known = all_of_it.learned[:, gauge][np.isfinite(all_of_it.learned[:, gauge])]
        kept = material.learned[:, gauge][np.isfinite(material.learned[:, gauge])]
        np.testing.assert_array_equal(np.sort(kept), np.sort(known)[-len(kept) :])
        assert len(kept) == pytest.approx(0.75 * len(known), abs=1.0)
    np.testing.assert_array_equal(material.judged, all_of_it.judged)


@pytest.mark.parametrize("sampler", [{"name": "windows", "gauges": 2}, {"name": "continuous", "gauges": 2, "weeks": 3}])
def test_a_resumed_training_equals_an_unbroken_one(sampler: dict[str, Any], tmp_path: Path) -> None:
    """Interrupted and gone on with, weights, log and what is carried over end bitwise as without interruption."""
    experiment = make_hourly_experiment(checkpoint_minutes=0.0, sampler=sampler, model={"dropout": 0.2}, iterations_per_epoch=3)
    train(experiment, tmp_path / "unbroken")
    with pytest.raises(InterruptionError):
        train(experiment, tmp_path / "broken", watchers=[Recorder(5)])
    train(experiment, tmp_path / "broken", resume=True)
    assert same(last_of(tmp_path / "unbroken"), last_of(tmp_path / "broken"))
    assert log_of(tmp_path / "unbroken") == log_of(tmp_path / "broken")
    assert ("carried" in last_of(tmp_path / "unbroken")) == (sampler["name"] == "continuous")
