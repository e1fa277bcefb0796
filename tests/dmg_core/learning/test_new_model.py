from __future__ import annotations

import pytest
import torch
from torch import nn

from dmg_core.checkpoint import ModelSettings
from dmg_core.errors import ConfigError
from dmg_core.learning.new_model import new_model
from dmg_core.learning.settings.model import model_settings
from dmg_core.networks import LstmMlpModel
from tests.dmg_core.factories import MOMENTS, make_settings
from tests.dmg_core.learning.synthetic import make_document, make_experiment

STATISTICS = {name: (0.0, 0.0, *moments) for name, moments in MOMENTS.items()}


@pytest.mark.parametrize("physics", ["Hbv", "Hbv_1_1p", "Hbv_2"])
def test_new_models_run_and_can_learn(physics: str) -> None:
    """A new model of any member of the family gives finite flow, and every weight gets a gradient."""
    settings = make_settings(physics)
    model = new_model(settings, STATISTICS, 0)
    forcing, attributes = torch.rand(20, 3, 3) * 10, torch.rand(3, len(settings.attributes))
    flow = model.streamflow(forcing, attributes, torch.full((3,), 50.0), torch.full((3,), 500.0), warm_up=5)
    assert flow.shape == (15, 3)
    flow.sum().backward()
    assert all(weight.grad is not None and torch.isfinite(weight.grad).all() for weight in model.parameters())


@pytest.mark.parametrize("physics", ["Hbv_1_1p", "Hbv_2"])
def test_what_never_varies_in_training_never_counts(physics: str) -> None:
    """Other values of an attribute that was constant in training give the same flow, bit by bit; of one that was not they do not."""
    settings = make_settings(physics)
    constant = settings.attributes[1]
    model = new_model(settings, {**STATISTICS, constant: (20.1, 20.1, 20.1, 0.0, 20.1, 20.1)}, 0)
    forcing, attributes = torch.rand(20, 3, 3) * 10, torch.rand(3, len(settings.attributes))
    places = torch.full((3,), 50.0), torch.full((3,), 500.0)
    flow = model.streamflow(forcing, attributes, *places)
    for column, same in ((1, True), (0, False)):
        other = attributes.clone()
        other[:, column] += 7.0
        assert torch.equal(model.streamflow(forcing, other, *places), flow) == same


def test_the_seed_decides_the_weights() -> None:
    """The same seed gives the same weights whatever was drawn before, another one others; the global generator is left alone."""
    settings = make_settings("Hbv_2")
    torch.manual_seed(1)
    one = new_model(settings, STATISTICS, 3)
    drawn = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(drawn, torch.rand(1))
    same, other = new_model(settings, STATISTICS, 3), new_model(settings, STATISTICS, 4)
    for name, weight in one.network.state_dict().items():
        assert torch.equal(weight, same.network.state_dict()[name])
    assert not torch.equal(one.network.state_dict()["ann.i2h.weight"], other.network.state_dict()["ann.i2h.weight"])


@pytest.mark.parametrize("physics", ["Hbv_1_1p", "Hbv_2"])
def test_dropout_is_in_every_part(physics: str) -> None:
    """All dropout layers have the share given, and none works outside training."""
    model = new_model(make_settings(physics), STATISTICS, 0, dropout=0.4)
    layers = [module for module in model.modules() if isinstance(module, nn.Dropout)]
    assert len(layers) == (2 if isinstance(model.network, LstmMlpModel) else 1)
    assert all(layer.p == 0.4 for layer in layers)


def settings_with(**changes: object) -> ModelSettings:
    """Settings of an experiment whose model differs."""
    return model_settings(make_experiment(model={**make_document()["model"], **changes}))


def test_settings_follow_the_experiment() -> None:
    """Dynamic parameters come in table order, forcings by any spelling."""
    settings = settings_with(dynamic=["parBETAET", "parBETA"], log_norm=["P", "slope"])
    assert settings.dynamic == ("parBETA", "parBETAET")
    assert settings.log_norm == ("prcp", "slope")
    assert settings.network == "LstmModel"


def test_wrong_models_are_refused() -> None:
    """Unknown process models, parameters and log-normalised variables are named."""
    with pytest.raises(ConfigError, match="there is no process model called 'Hbv_9'; known are"):
        settings_with(physics="Hbv_9")
    with pytest.raises(ConfigError, match="parFOO"):
        settings_with(dynamic=["parFOO"])
    with pytest.raises(ConfigError, match="log_norm 'snow' is neither"):
        settings_with(log_norm=["snow"])
    with pytest.raises(ConfigError, match="needs mlp_hidden_size"):
        new_model(
            settings_with(physics="Hbv_2"),
            {"prcp": (0, 0, 0, 1), "tmean": (0, 0, 0, 1), "PET": (0, 0, 0, 1), "aridity": (0, 0, 0, 1), "slope": (0, 0, 0, 1)},
            0,
        )
    with pytest.raises(ConfigError, match="there is no network called 'Oracle'"):
        new_model(settings_with(network="Oracle"), dict.fromkeys(("prcp", "tmean", "PET", "aridity", "slope"), (0, 0, 0, 1)), 0)
