"""Learning at gauges below many units: it is what learning at basins is, and aggregation and channels do what they should."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dmg_core import Engine
from dmg_core.errors import ConfigError
from dmg_core.learning.data.gauge_material import GaugeMaterial, load_gauge_material
from dmg_core.learning.data.lessons import Lessons
from dmg_core.learning.data.material import make_material
from dmg_core.learning.data.sampler import Batch
from dmg_core.learning.evaluation import data_settings_of
from dmg_core.learning.gauge_evaluation import evaluate_at_gauges
from dmg_core.learning.loop.ranks import Ranks
from dmg_core.learning.loop.train import make_parts, train
from dmg_core.learning.loop.trainer import Parts
from dmg_core.learning.loop.validation import validate
from dmg_core.learning.settings.experiment import Experiment
from dmg_core.loading import load_model
from dmg_core.metrics import nse
from dmg_core.multi_scale import GaugeModel, read_channels
from dmg_core.routing import Membership
from tests.dmg_core.learning.loop.test_ranks import train_together
from tests.dmg_core.learning.loop.test_trainer import InterruptionError, Recorder, last_of, log_of, same
from tests.dmg_core.learning.synthetic import YEAR, make_basins, make_document, make_experiment
from tests.dmg_core.learning.unit_data import UnitFiles, make_files, unit_experiment

#: Nothing random, and in the precision in which differences can be told from rounding.
EXACT: dict[str, Any] = {"model": {**make_document()["model"], "dropout": 0.0}, "precision": "float64"}
PER_PAIR = {"per": "pair", "attributes": ["length_km"], "hidden_size": 4}


def loss_and_gradient(parts: Parts, material: Lessons, batch: Batch) -> tuple[Tensor, list[Tensor | None]]:
    """What one step of a training looks at."""
    sampler = parts.sampler
    torch.manual_seed(1)
    days = batch.starts + np.arange(sampler.warm_up + sampler.days)[:, None]
    simulated = material.run(parts.model, "streamflow", days, batch.basins, warm_up=sampler.warm_up)
    observed = torch.from_numpy(material.learned).to(material.dtype)[days[sampler.warm_up :], batch.basins]
    loss = parts.loss(simulated, observed, torch.from_numpy(batch.basins))
    return loss, list(torch.autograd.grad(loss, list(parts.model.parameters()), allow_unused=True))


def assert_same_gradients(one: list[Tensor | None], other: list[Tensor | None]) -> None:
    """Hold gradients against each other to rounding."""
    for mine, theirs in zip(one, other, strict=True):
        assert (mine is None) == (theirs is None)
        if mine is not None:
            torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6)


def learn_from(files: UnitFiles, folder: Path, **changes: Any) -> tuple[Experiment, GaugeMaterial, Parts]:
    """Write files and prepare a training with them."""
    folder.mkdir(exist_ok=True)
    files.write(folder)
    experiment = unit_experiment(folder, **{**EXACT, **changes})
    material = load_gauge_material(experiment)
    return experiment, material, make_parts(experiment, material)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Experiment, GaugeMaterial, Parts]:
    """A training without channels."""
    return learn_from(make_files(), tmp_path_factory.mktemp("plain"))


BATCH = Batch(np.array([0, 3, 1, 0]), np.array([400, 430, 500, 700]))


def test_a_gauge_with_one_unit_is_a_basin(tmp_path: Path) -> None:
    """Beside gauges of many units, those that are their only unit give the loss and the gradient of basins, bit by bit."""
    basins = make_basins(4)
    files = make_files({**{gauge: (place,) for place, gauge in enumerate(basins.ids)}, "90": (0, 1), "91": (0, 1, 2)})
    for place, gauge in enumerate(basins.ids):
        files.flow[f"{gauge}[mm d-1]"] = basins.flow[:, place]
    files.write(tmp_path)
    pair = unit_experiment(tmp_path), make_experiment()
    materials: list[Lessons] = [load_gauge_material(pair[0]), make_material(basins, pair[1])]
    assert materials[0].statistics == materials[1].statistics
    batch = Batch(np.array([2, 0, 3]), np.array([400, 500, 610]))
    found = [loss_and_gradient(make_parts(experiment, one), one, batch) for experiment, one in zip(pair, materials, strict=True)]
    assert torch.equal(found[0][0], found[1][0])
    assert len(found[0][1]) == len(found[1][1])
    for mine, theirs in zip(found[0][1], found[1][1], strict=True):
        assert mine is theirs is None or torch.equal(mine, theirs)  # type: ignore[arg-type]


def test_copies_of_a_unit_are_the_unit(plain: tuple[Experiment, GaugeMaterial, Parts], tmp_path: Path) -> None:
    """A unit cut into three like it, with the same area together, changes neither loss nor gradient."""
    files = make_files()
    whole = files.units[0]
    files.units[:1] = [{**whole, "unit_id": f"part-{share}", "area_km2": share * whole["area_km2"] / 6} for share in (1, 2, 3)]
    cut = [pair for pair in files.pairs if pair["unit_id"] == whole["unit_id"]]
    files.pairs = [pair for pair in files.pairs if pair not in cut]
    files.pairs += [{**pair, "unit_id": f"part-{share}"} for pair in cut for share in (1, 2, 3)]
    copied = files.forcing.isel(unit_id=[0, 0, 0, 1, 2, 3])
    files.forcing = copied.assign_coords(unit_id=["part-1", "part-2", "part-3", *files.forcing.unit_id.values[1:]])
    _, material, parts = learn_from(files, tmp_path)
    object.__setattr__(material, "statistics", plain[1].statistics)
    parts = make_parts(plain[0], material)
    one, other = loss_and_gradient(plain[2], plain[1], BATCH), loss_and_gradient(parts, material, BATCH)
    torch.testing.assert_close(one[0], other[0], rtol=1e-6, atol=0.0)
    assert_same_gradients(one[1], other[1])


def test_the_order_of_units_and_gauges_does_not_matter(plain: tuple[Experiment, GaugeMaterial, Parts], tmp_path: Path) -> None:
    """Tables and weather in another order give the same loss and gradient."""
    files = make_files()
    files.units.reverse()
    files.gauges.reverse()
    files.pairs.sort(key=lambda pair: (pair["unit_id"], pair["gauge_id"]), reverse=True)
    files.forcing = files.forcing.isel(unit_id=[2, 0, 3, 1]).transpose("time", "unit_id")
    _, material, parts = learn_from(files, tmp_path)
    assert material.ids == plain[1].ids[::-1]
    turned = Batch(3 - BATCH.basins[::-1], BATCH.starts[::-1])
    one, other = loss_and_gradient(plain[2], plain[1], BATCH), loss_and_gradient(parts, material, turned)
    torch.testing.assert_close(one[0], other[0], rtol=1e-6, atol=0.0)
    assert_same_gradients(one[1], other[1])


def test_flow_summed_first_and_routed_is_flow_routed_and_summed(plain: tuple[Experiment, GaugeMaterial, Parts], tmp_path: Path) -> None:
    """Where all ways are alike, one way per gauge and one per pair give the same flow, though units are routed apart in the one."""
    by_gauge, by_pair = (
        learn_from(make_files(), tmp_path / name, channels=channels) for name, channels in (("gauge", {"per": "gauge"}), ("pair", PER_PAIR))
    )
    with torch.no_grad():
        for weight in by_pair[2].model.channels.parameters():  # type: ignore[union-attr]
            weight.zero_()
        by_gauge[2].model.channels.constant.zero_()  # type: ignore[union-attr, operator]
        flows = [one[1].run(one[2].model, "streamflow", slice(0, 500), np.arange(4), warm_up=30) for one in (by_gauge, by_pair)]
    torch.testing.assert_close(flows[0], flows[1], rtol=1e-6, atol=1e-9)
    unrouted = plain[1].run(plain[2].model, "streamflow", slice(0, 500), np.arange(4), warm_up=30)
    assert not torch.allclose(flows[0], unrouted)


def test_water_arrives(tmp_path: Path) -> None:
    """What passes gauges is the area-weighted sum of what leaves units, when the channels have run empty."""
    _, material, parts = learn_from(make_files(), tmp_path, channels=PER_PAIR)
    model = parts.model
    assert isinstance(model, GaugeModel)
    flow = torch.rand((60, 4), dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    flow[60 - model.memory :] = 0.0
    arrived = model.at_gauges(flow, material.membership, material.ways).sum(dim=0)
    weights = torch.zeros((4, 4), dtype=torch.float64)
    weights[material.membership.pair_gauges, material.membership.members] = torch.from_numpy(material.membership.shares)
    torch.testing.assert_close(arrived, weights @ flow.sum(dim=0), rtol=1e-6, atol=0.0)


@pytest.mark.parametrize("channels", [{"per": "gauge", "attributes": ["size"]}, {"per": "gauge"}, PER_PAIR])
def test_the_gradient_is_the_slope_of_the_loss(channels: dict[str, Any], tmp_path: Path) -> None:
    """Along a random direction in all weights, and in those of the channels alone, the gradient is the difference quotient."""
    _, material, parts = learn_from(make_files(), tmp_path, channels=channels)
    model = parts.model.double()
    assert isinstance(model, GaugeModel)
    _, gradient = loss_and_gradient(parts, material, BATCH)
    of_channels = {id(weight) for weight in model.channels.parameters()}  # type: ignore[union-attr]
    weights, step = list(model.parameters()), 1e-5
    for chosen in (weights, [weight for weight in weights if id(weight) in of_channels]):
        random = torch.Generator().manual_seed(5)
        ways = [torch.randn(weight.shape, generator=random, dtype=torch.float64) for weight in weights]
        ways = [way if any(weight is one for one in chosen) else torch.zeros_like(way) for way, weight in zip(ways, weights, strict=True)]
        losses = []
        for sign in (1.0, -2.0, 1.0):
            with torch.no_grad():
                for weight, way in zip(weights, ways, strict=True):
                    weight += sign * step * way
            losses.append(loss_and_gradient(parts, material, BATCH)[0].item())
        slope = sum(float((part * way).sum()) for part, way in zip(gradient, ways, strict=True) if part is not None)
        assert slope != 0.0
        assert (losses[0] - losses[1]) / (2.0 * step) == pytest.approx(slope, rel=1e-4)


def test_a_gauge_downstream_has_more_water(plain: tuple[Experiment, GaugeMaterial, Parts]) -> None:
    """Volume at a gauge less that at the gauge above it is the volume of the units between, which is never negative."""
    _, material, parts = plain
    membership: Membership = material.membership
    with torch.no_grad():
        flow = material.run(parts.model, "streamflow", slice(0, 600), np.arange(4), warm_up=100).double().numpy() * membership.gauge_areas
        units = GaugeMaterial.run(
            replace(material, membership=Membership.each_its_own(membership.units)),
            parts.model,
            "streamflow",
            slice(0, 600),
            np.arange(4),
            warm_up=100,
        )
    between = flow[:, 2] - flow[:, 0]
    assert (between > 0.0).all()
    np.testing.assert_allclose(between, units.double().numpy()[:, 2] * membership.areas[2], rtol=1e-5, atol=1e-6)


def test_windows_and_the_whole_agree(tmp_path: Path) -> None:
    """A gauge in a window of its own gives what it gives when all gauges are run together and each unit once."""
    _, material, parts = learn_from(make_files(), tmp_path, channels=PER_PAIR)
    days = np.arange(300, 500)[:, None] + np.zeros((1, 3), np.int64)
    gauges = np.array([3, 0, 2])
    with torch.no_grad():
        apart = material.run(parts.model, "streamflow", days, gauges, warm_up=50)
        together = material.run(parts.model, "streamflow", slice(300, 500), gauges, warm_up=50)
    torch.testing.assert_close(apart, together, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("channels", [None, {"per": "gauge", "attributes": ["size"]}])
def test_a_resumed_training_equals_an_unbroken_one(channels: dict[str, Any] | None, tmp_path: Path) -> None:
    """Interrupted and gone on with, weights of units and channels, optimiser, log and model end bitwise as without interruption."""
    make_files().write(tmp_path)
    experiment = unit_experiment(tmp_path, channels=channels, checkpoint_minutes=0.0, data={"units_per_batch": 5}, average=0.9)
    train(experiment, tmp_path / "unbroken")
    for iteration in (2, 4):
        out = tmp_path / f"broken-{iteration}"
        with pytest.raises(InterruptionError):
            train(experiment, out, watchers=[Recorder(iteration)])
        train(experiment, out, resume=True)
        assert same(last_of(tmp_path / "unbroken"), last_of(out))
        assert log_of(tmp_path / "unbroken") == log_of(out)
        files = [sorted((folder / "model").iterdir()) for folder in (tmp_path / "unbroken", out)]
        assert [file.name for file in files[0]] == [file.name for file in files[1]]
        assert any(file.name.startswith("channels_ep") for file in files[0]) == (channels is not None)
        for one, other in zip(*files, strict=True):
            assert one.suffix == ".pt" or one.read_bytes() == other.read_bytes()


def test_two_processes_learn_what_one_does(tmp_path: Path) -> None:
    """They share the gauges of a batch, of which one may be too few for both; the weights come out as those of one process."""
    make_files().write(tmp_path)
    plain = {**EXACT, "loss": {"name": "mse"}, "gradient_clip": None, "channels": {"per": "gauge"}, "data": {"units_per_batch": 4}}
    experiment = unit_experiment(tmp_path, **plain, sampler={"name": "windows", "basins": 3, "days": 60, "warm_up": 20})
    train(experiment, tmp_path / "alone")
    train_together(tmp_path, tmp_path / "together", experiment=experiment)
    alone, together = (load_model(tmp_path / name / "model").network.state_dict() for name in ("alone", "together"))
    for name, weights in alone.items():
        torch.testing.assert_close(together[name], weights, rtol=1e-4, atol=1e-6)
    ways = [read_channels(tmp_path / name / "model").constant for name in ("alone", "together")]
    torch.testing.assert_close(ways[0], ways[1], rtol=1e-4, atol=1e-6)


def test_the_engine_steps_the_units_that_were_scored(tmp_path: Path) -> None:
    """The model folder, run by the engine unit by unit, summed and led through the channels beside it, has the NSE of the validation."""
    make_files().write(tmp_path)
    experiment = unit_experiment(tmp_path, **EXACT, channels=PER_PAIR, epochs=1)
    train(experiment, tmp_path / "run")
    material, basins = load_gauge_material(experiment), make_basins(4)
    engine = Engine(load_model(tmp_path / "run" / "model"))
    engine.add({name: basins.attributes[:, column] for column, name in enumerate(basins.attribute_names)})
    runoff = engine.run(basins.forcing[3 * YEAR - 50 :])["streamflow"]
    channels = read_channels(tmp_path / "run" / "model")
    flow, _ = channels.routing(material.membership).advance(torch.from_numpy(runoff), channels.weights(material.ways).double())
    expected = float(log_of(tmp_path / "run")[-1]["validation_median_nse"])
    assert np.median(nse(flow.detach().numpy()[50:], material.judged[3 * YEAR :])) == pytest.approx(expected, abs=1e-3)


def test_gauges_that_were_kept_away_are_evaluated(tmp_path: Path) -> None:
    """Evaluated in a period, all gauges of the data are scored: those validated on as the validation did, one that was kept away too."""
    make_files().write(tmp_path)
    days = make_document()["split"]
    split = {**days, "name": "region", "column": "role", "held_out": "test"}
    train(unit_experiment(tmp_path, **EXACT, channels=PER_PAIR, epochs=1, split=split), tmp_path / "run")
    found = evaluate_at_gauges(tmp_path / "run", tuple(days["validation"]), warm_up=50)
    assert found.ids == ("01", "02", "03", "04")
    assert np.isfinite(found.scores["nse"]).all()
    told = float(log_of(tmp_path / "run")[-1]["validation_median_nse"])
    assert np.median(found.scores["nse"][:3]) == pytest.approx(told, abs=1e-6)
    assert data_settings_of(tmp_path / "run", Path("camels.nc"), None).reader == "camels"  # on basins it is evaluated as any model


def test_other_trainings_are_not_evaluated_at_gauges(tmp_path: Path) -> None:
    """A folder without an experiment, and a training on basins, are told from trainings at gauges."""
    with pytest.raises(
        ConfigError, match=r"no experiment.yaml of a training at gauges; to evaluate on basins, say where they are \(--data\)"
    ):
        evaluate_at_gauges(tmp_path, ("2003-01-01", "2003-12-01"))
    train(make_experiment(epochs=1), tmp_path / "run")
    with pytest.raises(ConfigError, match="the model was trained on basins, not at gauges"):
        evaluate_at_gauges(tmp_path / "run", ("2003-01-01", "2003-12-01"))


def test_lags_are_learned(tmp_path: Path) -> None:
    """From flow of known units that arrives late, the unit hydrograph it has come through is learned."""
    _, material, parts = learn_from(make_files(), tmp_path, channels={"per": "gauge"})
    model = parts.model
    assert isinstance(model, GaugeModel)
    assert model.channels is not None
    days, gauges = BATCH.starts + np.arange(300)[:, None], BATCH.basins
    hidden = torch.tensor([-1.0, -3.0, -1.0])
    with torch.no_grad():
        start = model.channels.constant.clone()
        model.channels.constant.copy_(hidden)
        observed = material.run(model, "streamflow", days, gauges, warm_up=100)
        model.channels.constant.copy_(start)
    expected = model.channels.hydrograph.weights(torch.sigmoid(hidden)[None])
    assert not torch.allclose(model.channels.weights(torch.empty((1, 0))), expected, rtol=0.0, atol=0.2)
    optimizer = torch.optim.LBFGS([model.channels.constant], max_iter=30, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss: Tensor = ((material.run(model, "streamflow", days, gauges, warm_up=100) - observed) ** 2).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    torch.testing.assert_close(model.channels.weights(torch.empty((1, 0))), expected, rtol=0.0, atol=0.02)


def test_validation_is_of_the_gauges_and_years_that_are_held_out(tmp_path: Path) -> None:
    """With a column of roles, gauges labelled so are validated on in the period of the validation, and never learned from."""
    split = {**make_document()["split"], "name": "labels", "column": "role"}
    for gauge in (files := make_files()).gauges:
        gauge["role"] = "validation" if gauge["gauge_id"] == "04" else "train"
    _, material, parts = learn_from(files, tmp_path, split=split)
    assert material.ids == ("01", "02", "03", "04")
    assert material.learned.shape[1] == 3
    assert np.array_equal(np.isfinite(material.judged).any(axis=0), [False, False, False, True])
    found = validate(parts.model, material, 50, Ranks())
    flow = material.run(parts.model.eval(), "streamflow", slice(3 * YEAR - 50, 4 * YEAR), np.array([3]), warm_up=50)
    assert found.median_nse == pytest.approx(nse(flow.detach().numpy()[:, 0], material.judged[3 * YEAR :, 3]), rel=1e-6)
