from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from bmi_dmg.demo.example_model import SETTINGS, example_weights, write_example_model
from bmi_dmg.demo.synthetic_catchments import synthesize_catchments
from dmg_core import DeltaModel, load_model
from dmg_core.models.hbv import Hbv20
from dmg_core.models.hbv.parameters import TYPICAL


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> DeltaModel:
    """The example model, written and read."""
    folder = tmp_path_factory.mktemp("model")
    write_example_model(folder, seed=1)
    return load_model(folder, "float64")


def attributes() -> torch.Tensor:
    """Give the attributes of ten catchments, (10, 28)."""
    basin = synthesize_catchments(10, seed=1)
    return torch.from_numpy(np.stack([basin.attributes[name] for name in SETTINGS.attributes], axis=1))


def test_same_seed_same_weights() -> None:
    """A seed gives the same weights every time, another seed gives others."""
    first, again, other = example_weights(1), example_weights(1), example_weights(2)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["ann.i2h.weight"], other["ann.i2h.weight"])


def test_folder_says_that_the_model_is_untrained(tmp_path: Path) -> None:
    """A README.txt beside config.yaml says that the model is an untrained example."""
    write_example_model(tmp_path, seed=1)
    assert (tmp_path / "config.yaml").is_file()
    assert "UNTRAINED EXAMPLE" in (tmp_path / "README.txt").read_text()


def test_static_parameters_are_near_their_typical_values(model: DeltaModel) -> None:
    """Averaged over catchments and components, parameters are those of a humid temperate catchment; catchments differ."""
    _, static_parameters = Hbv20.split(SETTINGS.dynamic)
    with torch.inference_mode():
        static, routing = model.static_fractions(model.normalize_attributes(attributes()))
    assert routing is not None
    for parameter, fraction in zip(static_parameters, static.unbind(1), strict=True):
        value = parameter.scale(fraction)
        tolerance = 0.5 if parameter.name == "parTT" else 0.4 * TYPICAL[parameter.name]
        assert abs(float(value.mean()) - TYPICAL[parameter.name]) < tolerance, parameter.name
        assert float(value.mean(1).std()) > 0.0, parameter.name
    shape, scale = Hbv20.route_a.scale(routing[:, 0]) + 0.1, Hbv20.route_b.scale(routing[:, 1]) + 0.5
    assert torch.all((shape * scale > 0.4) & (shape * scale < 3.0))  # mean delay in days


def test_dynamic_parameters_vary_with_the_weather(model: DeltaModel) -> None:
    """Over a year, dynamic parameters stay near their typical values and are never the same for long."""
    day = torch.arange(365.0, dtype=torch.float64)[:, None]
    season = -torch.cos(2.0 * torch.pi * day / 365.0)
    rain = torch.where(day % 5 == 0, 14.0, 0.0)
    forcing = torch.stack([rain, 10.0 + 12.0 * season, 2.6 + 2.0 * season], dim=-1).expand(-1, 10, -1)
    x, _ = model.network_inputs(forcing, attributes())
    with torch.inference_mode():
        fractions, _ = model.dynamic_fractions(x, model.lstm.initial_state(10))
    for parameter, fraction in zip(Hbv20.split(SETTINGS.dynamic)[0], fractions.unbind(2), strict=True):
        value = parameter.scale(fraction)
        assert abs(float(value.mean()) - TYPICAL[parameter.name]) < 0.4 * TYPICAL[parameter.name], parameter.name
        assert float(value.std(0).mean()) > 0.005 * TYPICAL[parameter.name], parameter.name
