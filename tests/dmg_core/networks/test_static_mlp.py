"""Tests of parameters from attributes alone: nothing is stepped but the process equations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dmg_core import Engine, load_model
from dmg_core.errors import ConfigError
from dmg_core.learning.data.material import make_material
from dmg_core.learning.loop.ranks import started_ranks
from dmg_core.learning.loop.run_folder import RunFolder
from dmg_core.learning.loop.train import make_parts
from dmg_core.learning.loop.trainer import Trainer
from tests.dmg_core.factories import make_weather
from tests.dmg_core.learning.synthetic import NAMES, make_basins, make_experiment

MODEL = {"physics": "Hbv_1_1p", "network": "StaticMlpModel", "hidden_size": 6, "nmul": 16}


def test_it_trains_is_exported_and_stepped(tmp_path: Path) -> None:
    """With 16 components: the loss falls, the folder is read back, and steps in compiled code are the batch in torch, restarts bitwise."""
    experiment = make_experiment(model=MODEL, optimizer={"name": "adam", "learning_rate": 0.02}, epochs=2, iterations_per_epoch=8)
    material = make_material(make_basins(), experiment)
    with started_ranks() as ranks:
        Trainer(experiment, material, make_parts(experiment, material), RunFolder(tmp_path), ranks).run()
    losses = [float(row.split(",")[2]) for row in (tmp_path / "log.csv").read_text().splitlines()[1:]]
    assert np.mean(losses[-4:]) < np.mean(losses[:4])

    model, weather = load_model(tmp_path / "model", "float64"), make_weather(12, 2)
    attributes = np.array([[0.5, 1.0], [2.0, 0.2]])
    with torch.no_grad():
        expected = model(weather, attributes)[0]["streamflow"].numpy()
    engines = [Engine.from_folder(tmp_path / "model", "float64", backend="compiled") for _ in range(2)]
    for engine in engines:
        engine.add(dict(zip(NAMES, attributes.T, strict=True)))
    first, second = engines
    np.testing.assert_allclose(first.run(weather)["streamflow"], expected, rtol=1e-9)
    assert not {"h", "c"} & set(first.state_arrays())
    second.run(weather[:5])
    states = second.capture(slice(0, 2))
    third = Engine.from_folder(tmp_path / "model", "float64")
    third.add(dict(zip(NAMES, attributes.T, strict=True)))
    for row in range(2):
        third.restore(row, {name: array[row] for name, array in states.items()}, "here")
    rest = np.stack([third.step(step)["streamflow"] for step in weather[5:]])
    np.testing.assert_array_equal(rest, second.run(weather[5:])["streamflow"])
    torch_engine = Engine.from_folder(tmp_path / "model", "float64", backend="torch")
    torch_engine.add(dict(zip(NAMES, attributes.T, strict=True)))
    np.testing.assert_allclose(torch_engine.run(weather)["streamflow"], expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("changes", "attributes", "message"),
    [
        ({"dynamic": ["parBETA"]}, NAMES, "gives no parameters that vary in time, found dynamic: parBETA"),
        ({}, (), "a StaticMlpModel needs attributes"),
    ],
)
def test_what_it_cannot_give_is_refused(changes: dict[str, object], attributes: tuple[str, ...], message: str) -> None:
    """Dynamic parameters, and basins that nothing tells apart."""
    experiment = make_experiment(model=MODEL | changes, attributes=list(attributes))
    with pytest.raises(ConfigError, match=message):
        make_parts(experiment, make_material(make_basins(), experiment))
