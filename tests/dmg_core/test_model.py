"""Tests of dmg_core.model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from dmg_core import DeltaModel, load_model
from dmg_core.errors import AttributeTableError, CheckpointError
from dmg_core.learning.new_model import new_model
from tests.dmg_core.factories import (
    FAMILY,
    FROM_SERIES,
    MOMENTS,
    make_attributes,
    make_model,
    make_network,
    make_settings,
    make_weather,
    split_outputs,
    write_model,
)
from tests.dmg_core.reference import dhbv2_case


def inputs(model: DeltaModel, steps: int, catchments: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Weather (T, B, 3) and attributes (B, A) in float64."""
    attributes = make_attributes(catchments)
    table = torch.from_numpy(np.stack([attributes[name] for name in model.settings.attributes], axis=1))
    return torch.from_numpy(make_weather(steps, catchments)), table


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_loaded_model_equals_the_public_implementation(dtype: str, parity: Path) -> None:
    """A batched run of the reference folder gives the reference's series, with nothing but the folder's weights and the attributes."""
    case = dhbv2_case(parity)
    model = load_model(case.folder, dtype)
    attributes = torch.tensor([[case.attributes[name] for name in model.settings.attributes]], dtype=torch.float64)
    with torch.no_grad():
        outputs, _ = model(torch.from_numpy(case.days[:, None]), attributes)
    for name, expected in case.truth.items():
        np.testing.assert_allclose(outputs[name][:, 0].numpy(), expected, rtol=1e-5, atol=1e-9, err_msg=name)
    assert outputs["streamflow"].sum().item() == pytest.approx(case.truth["streamflow"].sum(), rel=1e-6)


@pytest.mark.parametrize("physics", ["Hbv_1_1p", "Hbv_2"])
def test_arrays_and_tables_are_taken_like_tensors(physics: str) -> None:
    """Arrays, and attributes by name, in a table with more columns too, give what tensors do; missing ones are named."""
    model = make_model(physics)
    forcing, attributes = inputs(model, 20, 3)
    expected, _ = model(forcing, attributes)
    named = {name: attributes[:, column].numpy() for column, name in enumerate(model.settings.attributes)}
    for given in (attributes.numpy(), named, pd.DataFrame({"name": ["a", "b", "c"], **named})):
        assert torch.equal(model(forcing.numpy(), given)[0]["streamflow"], expected["streamflow"])
        torch.testing.assert_close(model.streamflow(forcing.numpy(), given), model.streamflow(forcing, attributes), rtol=0.0, atol=0.0)
    with pytest.raises(AttributeTableError, match="attributes are missing: aridity"):
        model(forcing.numpy(), {name: values for name, values in named.items() if name != "aridity"})


def test_places_are_found_in_a_table() -> None:
    """Upstream area and elevation that are no inputs of the network are taken from the table, unless they are given."""
    settings = make_settings("Hbv_2", attributes=("aridity", "meanslope"))
    model = new_model(settings, {name: (0.0, 0.0, *moments) for name, moments in MOMENTS.items()}, 0).eval()
    table = {name: np.array(values) for name, values in make_attributes(3).items()}
    weather = make_weather(20, 3)
    columns = np.stack([table[name] for name in settings.attributes], axis=1)
    area, elevation = table["uparea"], table["meanelevation"]
    assert torch.equal(model.streamflow(weather, table), model.streamflow(weather, columns, area, elevation))
    assert torch.equal(model.streamflow(weather, table, 2.0 * area), model.streamflow(weather, columns, 2.0 * area, elevation))


@pytest.mark.parametrize("physics", FAMILY)
def test_gradients_reach_weather_attributes_and_weights(physics: str) -> None:
    """A loss on streamflow moves every weight, and is sensitive to the weather and the attributes."""
    model = make_model(physics)
    forcing, attributes = (tensor.requires_grad_() for tensor in inputs(model, 20, 3))
    outputs, _ = model(forcing, attributes)
    outputs["streamflow"].square().mean().backward()
    gradients = {"forcing": forcing.grad, "attributes": attributes.grad} | {name: weight.grad for name, weight in model.named_parameters()}
    for name, gradient in gradients.items():
        assert gradient is not None, name
        assert torch.isfinite(gradient).all(), name
        assert gradient.abs().sum() > 0.0, name


def test_gradients_to_attributes_are_those_of_the_model() -> None:
    """Derivatives through normalisation, network, parameters, equations and routing equal differences."""
    model = make_model("Hbv_2", log_norm=("P",))
    forcing, attributes = inputs(model, 3, 2)
    forcing = forcing.clamp(min=1.0).requires_grad_()  # dry days are kinks of the logarithm's clamp

    def run(weather: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
        area = torch.tensor([50.0, 3000.0], dtype=torch.float64)
        flow: torch.Tensor = model(weather, table, upstream_area=area, elevation=area)[0]["streamflow"]
        return flow

    assert torch.autograd.gradcheck(run, (forcing, attributes.requires_grad_()))


@pytest.mark.parametrize("physics", FAMILY)
def test_outputs_are_of_the_weathers_precision(physics: str) -> None:
    """The network has its own precision; fluxes and stores have that of the weather."""
    model = make_model(physics, dtype="float32")
    assert model.dtype == torch.float32
    forcing, attributes = inputs(model, 4, 2)
    outputs, state = model(forcing, attributes)
    assert tuple(outputs) == model.physics.layout.outputs
    assert {series.dtype for series in outputs.values()} == {torch.float64}
    assert state.stores.dtype == torch.float64


def test_stores_may_be_given() -> None:
    """A run may start from the stores at the end of another; the network starts from its zero state."""
    model = make_model("Hbv_2")
    forcing, attributes = inputs(model, 10, 2)
    _, state = model(forcing, attributes)
    fresh, _ = model(forcing, attributes)
    wet, _ = model(forcing, attributes, state=state)
    assert (wet["soil_moisture"][0] > fresh["soil_moisture"][0]).all()


def test_area_and_elevation_come_from_the_attributes() -> None:
    """By default the attributes of that name are taken; others may be given."""
    model = make_model("Hbv_2")
    forcing, attributes = inputs(model, 10, 4)
    area, elevation = (attributes[:, model.settings.attributes.index(name)] for name in ("uparea", "meanelevation"))
    default, _ = model(forcing, attributes)
    given, _ = model(forcing, attributes, upstream_area=area, elevation=elevation)
    other, _ = model(forcing, attributes, upstream_area=area + 500.0)
    low, _ = model(forcing, attributes, elevation=torch.zeros(4))
    assert torch.equal(default["streamflow"], given["streamflow"])
    assert not torch.equal(default["regional_exchange"], other["regional_exchange"])
    assert not torch.equal(default["swe"], low["swe"])


def test_missing_upstream_area() -> None:
    """HBV 2.0 without an upstream area is an error that names the attribute; with one that is given it runs."""
    model = make_model("Hbv_2", attributes=("aridity", "meanslope"))
    forcing, attributes = inputs(model, 3, 2)
    with pytest.raises(AttributeTableError, match="Hbv_2 needs 'uparea', which is no input of the network"):
        model(forcing, attributes)
    outputs, _ = model(forcing, attributes, upstream_area=torch.tensor([5.0, 50.0]))
    assert outputs["streamflow"].shape == (3, 2)


@pytest.mark.parametrize("physics", FROM_SERIES)
def test_static_parameters_of_a_series_need_one(physics: str) -> None:
    """Members whose static parameters are the network's last outputs say so when they are asked for them without a series."""
    model = make_model(physics)
    with pytest.raises(ValueError, match=f"{physics}: static parameters come from the network's last output, so they need a series"):
        model.static_fractions(torch.zeros(1, 4, dtype=torch.float64))


@pytest.mark.parametrize("physics", FAMILY)
def test_network_outputs_go_to_physics_in_the_documented_layout(physics: str) -> None:
    """``physics(forcing, network(x, attributes))`` is what ``forward`` does."""
    model = make_model(physics)
    forcing, attributes = inputs(model, 6, 2)
    x, traits = model.network_inputs(forcing, attributes)
    area = attributes[:, model.settings.attributes.index("uparea")]
    elevation = attributes[:, model.settings.attributes.index("meanelevation")]
    if physics in FROM_SERIES:
        outputs, _ = model.physics(forcing, split_outputs(model.physics, model.network(x)))
    else:
        outputs, _ = model.physics(forcing, model.network(x, traits), upstream_area=area, elevation=elevation)
    expected, _ = model(forcing, attributes)
    # Not bitwise: the model computes the columns of the last layer that it needs, and a matrix product's rounding hangs on their number.
    torch.testing.assert_close(outputs["streamflow"], expected["streamflow"], rtol=1e-13, atol=0.0)


@pytest.mark.parametrize("physics", FAMILY)
def test_a_written_folder_is_loaded_in_either_precision(physics: str, tmp_path: Path) -> None:
    """Weights of a folder written by the project are those of the loaded model, converted to the wanted precision."""
    write_model(tmp_path, physics, seed=3)
    network = make_network(make_settings(physics), seed=3)
    for dtype, expected in (("float32", torch.float32), (torch.float64, torch.float64)):
        model = load_model(tmp_path, dtype)
        assert model.dtype == expected
        assert not model.training
        for name, weight in network.named_parameters():
            assert torch.equal(model.network.get_parameter(name), weight.to(expected)), name


def test_unknown_precision(tmp_path: Path) -> None:
    """A precision that is neither float32 nor float64 is refused."""
    write_model(tmp_path, "Hbv")
    for dtype in ("float16", torch.float16):
        with pytest.raises(ValueError, match=r"float16'? is not one of float32, float64"):
            load_model(tmp_path, dtype)


def test_missing_folder(tmp_path: Path) -> None:
    """A folder that is not there is an error that names it."""
    with pytest.raises(CheckpointError, match="nowhere"):
        load_model(tmp_path / "nowhere")
