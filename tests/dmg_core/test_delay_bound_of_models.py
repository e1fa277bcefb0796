"""A bound of the unit hydrograph's delay in whole models: run, learned, written, stepped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from dmg_core import Engine, load_model
from dmg_core.engine.identity import identity_of
from dmg_core.errors import CheckpointError, ConfigError, StateError
from dmg_core.routing import DelayBound, mean_delay
from tests.dmg_core.factories import FAMILY, make_attributes, make_engine, make_model, make_weather, write_model

#: Short even for the largest of the made catchments: 1.27 * 4000^0.6 km at 10 m/s take 0.21 d.
BOUND = DelayBound("uparea", of="area", speed=10.0)


#: The same for hourly models, whose hydrographs with random weights are shorter.
HOURLY_BOUND = DelayBound("uparea", of="area", speed=1000.0)


def bound_of(physics: str) -> DelayBound:
    """A bound that shortens some of the made hydrographs."""
    return HOURLY_BOUND if physics.endswith("hourly") else BOUND


def longest(attributes: dict[str, np.ndarray], speed: float, steps_per_day: int) -> np.ndarray:
    """The longest mean delay in steps, from Hack's law."""
    return 1.27 * attributes["uparea"] ** 0.6 * 1000.0 / speed / 86400.0 * steps_per_day


@pytest.mark.parametrize("physics", FAMILY)
def test_no_catchment_delays_longer_than_its_size_allows(physics: str) -> None:
    """Hydrographs of an engine keep to the bound, and those that were long stand at it; water is counted as before."""
    model, attributes = make_model(physics, delay_bound=bound_of(physics)), make_attributes(6)
    engine, free = make_engine(model, attributes), make_engine(make_model(physics), attributes)
    for each in (engine, free):
        each.run(make_weather(30, 6))
    found, before = (mean_delay(torch.from_numpy(one.arrays.hydrograph[:6])).numpy() for one in (engine, free))
    bound = longest(attributes, bound_of(physics).speed, model.physics.process.steps_per_day)
    assert (before > bound).any()
    np.testing.assert_allclose(found, np.minimum(before, bound), rtol=1e-9)
    assert np.abs(engine.budget()["residual"]).max() < 1e-9


@pytest.mark.parametrize("physics", ["Hbv_2", "Hbv_2_hourly"])
def test_engine_batch_and_torch_agree(physics: str) -> None:
    """A model with a bound gives the same flow stepped, as a series, and for learning."""
    model, attributes, weather = make_model(physics, delay_bound=bound_of(physics)), make_attributes(4), make_weather(40, 4)
    outputs, _ = model(weather, attributes)
    engine = make_engine(model, attributes)
    np.testing.assert_allclose(
        engine.run(weather, outputs=("streamflow",))["streamflow"], outputs["streamflow"].detach().numpy(), rtol=1e-9
    )
    torch.testing.assert_close(model.streamflow(weather, attributes), outputs["streamflow"], rtol=1e-10, atol=1e-12)
    assert not torch.allclose(make_model(physics).streamflow(weather, attributes), outputs["streamflow"])
    model.streamflow(weather, attributes).square().sum().backward()
    assert all(torch.isfinite(weight.grad).all() for weight in model.network.parameters() if weight.grad is not None)


def test_a_folder_keeps_the_bound(tmp_path: Path) -> None:
    """It is written, read back, and tells models apart: a state of one does not fit the other."""
    folder = write_model(tmp_path / "model", "Hbv_2", delay_bound=BOUND)
    model = load_model(folder)
    assert model.settings.delay_bound == BOUND
    attributes = make_attributes(3)
    engine = Engine.from_folder(folder)
    engine.add(attributes)
    engine.run(make_weather(1, 3))
    found = mean_delay(torch.from_numpy(engine.arrays.hydrograph[:3])).numpy()
    assert (found <= longest(attributes, BOUND.speed, 1) * (1.0 + 1e-6)).all()
    other = identity_of(load_model(write_model(tmp_path / "other", "Hbv_2")))
    with pytest.raises(StateError, match="delay_bound"):
        identity_of(model).require(other, "here")


@pytest.mark.parametrize(
    ("bound", "message"),
    [
        ({"attribute": "uparea", "pace": 1.0}, "unknown key 'model.phy.delay_bound.pace'; known are attribute, of, speed"),
        ({"of": "area"}, "key 'model.phy.delay_bound.attribute' is missing"),
        ({"attribute": "uparea", "speed": -1.0}, "speed is -1.0"),
    ],
)
def test_a_wrong_bound_in_a_folder_is_named(tmp_path: Path, bound: dict[str, Any], message: str) -> None:
    """File, key and value."""
    file = write_model(tmp_path / "model", "Hbv_2", delay_bound=BOUND) / "config.yaml"
    document = yaml.safe_load(file.read_text())
    document["model"]["phy"]["delay_bound"] = bound
    file.write_text(yaml.safe_dump(document))
    with pytest.raises(CheckpointError, match=r"config.yaml.*delay_bound") as caught:
        load_model(file.parent)
    assert message in str(caught.value)


def test_a_bound_needs_an_input_of_the_network() -> None:
    """An attribute that the network does not read is named."""
    with pytest.raises(ConfigError, match="delay_bound: attribute 'catchsize' is no input of the network"):
        make_model("Hbv_2", delay_bound=DelayBound("catchsize"))
