"""Tests of the model without process equations: what the network says is the flow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dmg_core import DeltaModel, Engine, load_model
from dmg_core.errors import ConfigError
from dmg_core.learning.settings.model import model_settings
from dmg_core.models import PROCESS_MODELS, Layout
from dmg_core.models.no_physics import SCALE
from dmg_core.physics import Physics
from tests.dmg_core.ensembles.factories import LSTM_ATTRIBUTES, write_any
from tests.dmg_core.factories import make_weather
from tests.dmg_core.learning.synthetic import make_experiment

ATTRIBUTES = torch.tensor([[0.5, 1.0], [2.0, 0.2]], dtype=torch.float64)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> DeltaModel:
    """Give an untrained model, in float64."""
    return load_model(write_any(tmp_path_factory.mktemp("none") / "lstm", "none"), "float64")


def test_flow_is_a_softplus_of_the_network(model: DeltaModel) -> None:
    """Flow is torch's softplus of what the LSTM gives, times 5 mm; compiled and torch agree."""
    weather = torch.from_numpy(make_weather(20, 2))
    with torch.no_grad():
        raw, _ = model.stepped.advance(model.network_inputs(weather, ATTRIBUTES)[0], model.stepped.initial_state(2))
        expected = SCALE * torch.nn.functional.softplus(-raw[..., 0])
        np.testing.assert_allclose(model(weather, ATTRIBUTES)[0]["streamflow"], expected, rtol=1e-12)
        np.testing.assert_allclose(model.streamflow(weather, ATTRIBUTES, warm_up=5), expected[5:], rtol=1e-12)
    engine = Engine(model)
    engine.add(dict(zip(LSTM_ATTRIBUTES, ATTRIBUTES.numpy().T, strict=True)))
    np.testing.assert_allclose(engine.run(weather)["streamflow"], expected, rtol=1e-9)


@pytest.mark.parametrize("raw", [-300.0, -30.0, 0.0, 30.0, 85.0])
def test_flow_and_gradient_stay_finite(raw: float) -> None:
    """However much or little the network says, flow is a number not below 0, and its gradient the softplus's."""
    said = torch.full((1, 1, 1), raw, dtype=torch.float32, requires_grad=True)
    process = PROCESS_MODELS["none"]()
    fraction = torch.sigmoid(said).reshape(1, 1, 1, 1)
    physics = Physics(process)
    nothing = torch.zeros(1, 1, 1), torch.ones(1, 1), torch.zeros(1, 0)
    flow = physics.series("streamflow", torch.zeros(1, 1, 3), fraction, *nothing)
    flow.sum().backward()
    assert 0.0 <= flow.item() < 500.0
    assert said.grad is not None
    if raw > -80.0:
        assert said.grad.item() == pytest.approx(-SCALE * torch.sigmoid(torch.tensor(-raw)).item(), rel=1e-5, abs=1e-8)


def test_water_is_not_counted(model: DeltaModel) -> None:
    """There are no stores and no routing, and rain enters no balance."""
    layout = Layout.of(model.physics.process)
    assert layout.budget == {}
    assert layout.outputs == ("pet", "streamflow")
    assert not model.static_from_series


def test_settings_of_an_experiment_need_a_hidden_size_alone() -> None:
    """One head that varies in time is what there is, unless more are asked for."""
    settings = model_settings(make_experiment(model={"physics": "none", "hidden_size": 4}))
    assert (settings.network, settings.nmul, settings.dynamic, settings.target) == ("LstmModel", 1, ("parY",), "streamflow")
    assert model_settings(make_experiment(model={"physics": "Hbv", "hidden_size": 4})).nmul == 16
    assert model_settings(make_experiment(model={"physics": "none", "hidden_size": 4, "nmul": 3})).nmul == 3


@pytest.mark.parametrize("scale", [0.0, -1.0, "five", float("inf"), float("nan"), True])
def test_a_wrong_scale_is_refused(scale: Any) -> None:
    """Value and what would be right are told."""
    with pytest.raises(ConfigError, match=r"none: scale is .*, expected a flow above 0 mm/d, such as 5"):
        model_settings(make_experiment(model={"physics": "none", "hidden_size": 4, "options": {"scale": scale}}))


def test_a_scale_is_part_of_the_model(tmp_path: Path) -> None:
    """Flow goes with the scale, and it is read back with the model."""
    weather = torch.from_numpy(make_weather(5, 2))
    plain = load_model(write_any(tmp_path / "plain", "none"), "float64")
    wide = load_model(write_any(tmp_path / "wide", "none", options={"scale": 15.0}, tape=None), "float64")
    with torch.no_grad():
        flows = [each(weather, ATTRIBUTES)[0]["streamflow"] for each in (plain, wide)]
    np.testing.assert_allclose(flows[1], 3.0 * flows[0], rtol=1e-12)
