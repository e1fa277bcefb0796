"""Tests of dmg_core.engine.engine."""

from __future__ import annotations

import gc
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from dmg_core import Catchment, Engine
from dmg_core.engine.static_parameters import BLOCK as STATIC_BLOCK
from dmg_core.errors import StateError
from dmg_core.sharing import shared_engine
from tests.dmg_core.factories import (
    FAMILY,
    FROM_SERIES,
    FloatArray,
    make_attributes,
    make_engine,
    make_model,
    make_weather,
    subset,
    write_model,
)
from tests.dmg_core.reference import dhbv2_case
from tests.dmg_core.strategies import models, seeds, weather


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("way", ["run", "step", "handles"])
def test_reference_folder_gives_the_reference_series(backend: str, dtype: str, way: str, parity: Path) -> None:
    """Runs and steps of the reference folder equal the batched run of the public implementation, and so does the volume."""
    case = dhbv2_case(parity)
    days = case.days if backend == "compiled" or way == "run" else case.days[:150]  # torch takes milliseconds for a step
    engine = Engine.from_folder(case.folder, dtype, backend=backend)
    (catchment,) = engine.add(case.attributes)
    if way == "run":
        outputs = {name: values[:, 0] for name, values in engine.run(days[:, None]).items()}
    else:
        steps: list[Any] = [catchment.step(*day) if way == "handles" else engine.step(day[None]) for day in days]
        outputs = {name: np.array([step[name] for step in steps]).ravel() for name in case.truth}
    for name, expected in case.truth.items():
        np.testing.assert_allclose(outputs[name], expected[: len(days)], rtol=1e-5, atol=1e-9, err_msg=name)
    assert f"{outputs['streamflow'].sum() / case.truth['streamflow'][: len(days)].sum():.6f}" == "1.000000"


@given(model=models(), seed=seeds, series=weather(10, 3))
@settings(max_examples=20)
def test_budget_closes(model: Any, seed: int, series: FloatArray) -> None:
    """The residual of the running sums is rounding: below 1e-9 of precipitation, in any weather."""
    engine = make_engine(model, make_attributes(3, seed))
    engine.run(series[:6])
    for step in series[6:]:
        engine.step(step)
    budget = engine.budget()
    gained = budget["precipitation"] + budget["regional_exchange"]
    lost = budget["aet"] + budget["streamflow"] + budget["leaked"]
    np.testing.assert_allclose(budget["residual"], gained - lost - budget["storage_change"], rtol=0.0, atol=1e-12)
    # Where it hardly rains, the exchange of some mm is what is rounded.
    assert (np.abs(budget["residual"]) < 1e-9 * np.maximum(budget["precipitation"], 1.0)).all()


def test_budget_sums_the_series(backend: str) -> None:
    """The sums are those of the outputs, and the change of storage is that of the stores and the water under way."""
    model = make_model("Hbv_2")
    engine = Engine(model, backend=backend)
    engine.add(make_attributes(3))
    series = make_weather(30, 3)
    outputs = engine.run(series)
    budget = engine.budget()
    np.testing.assert_allclose(budget["precipitation"], series[..., 0].sum(0), rtol=1e-12)
    for name in ("regional_exchange", "aet", "streamflow", "leaked"):
        np.testing.assert_allclose(budget[name], outputs[name].sum(0), rtol=1e-12, atol=1e-14, err_msg=name)
    stores = ("swe", "meltwater", "soil_moisture", "upper_zone", "lower_zone")
    under_way = (outputs["unrouted_streamflow"] - outputs["streamflow"]).sum(0)
    np.testing.assert_allclose(budget["storage_change"], sum(outputs[name][-1] for name in stores) + under_way - 0.005, rtol=1e-11)


def test_budget_is_a_snapshot(backend: str) -> None:
    """A budget that was fetched does not change when the engine goes on."""
    engine = make_engine(make_model("Hbv_2"), make_attributes(2), backend)
    engine.run(make_weather(3, 2))
    before = engine.budget()
    kept = {name: values.copy() for name, values in before.items()}
    engine.run(make_weather(3, 2))
    assert all(np.array_equal(before[name], kept[name]) for name in kept)


@pytest.mark.parametrize("physics", FAMILY)
def test_capacity_grows_and_keeps_the_state(backend: str, physics: str) -> None:
    """Catchments added later do not disturb those that have run; these go on where they were."""
    model = make_model(physics)
    attributes, series = make_attributes(9), make_weather(8, 9)
    undisturbed = Engine(model, backend=backend)
    undisturbed.add(subset(attributes, slice(0, 2)))
    expected = undisturbed.run(series[:, :2])["streamflow"]

    engine = Engine(model, backend=backend)
    engine.add(subset(attributes, slice(0, 2)))
    # The whole series is what fixes static parameters of 1.0 and 1.1p, so it is run before and then the first part of it again.
    np.testing.assert_allclose(engine.run(series[:, :2])["streamflow"], expected, rtol=1e-12)
    again = undisturbed.run(series[:, :2])["streamflow"]
    engine.add(subset(attributes, slice(2, 9)))
    assert len(engine) == 9
    np.testing.assert_allclose(engine.run(series)["streamflow"][:, :2], again, rtol=1e-12)


def test_handles_outlive_growth(backend: str) -> None:
    """A handle is good after catchments were added behind it."""
    model = make_model("Hbv_2")
    attributes, series = make_attributes(50), make_weather(6, 50)
    expected = make_engine(model, attributes, backend).run(series)["streamflow"]
    engine = Engine(model, backend=backend)
    (first,) = engine.add(subset(attributes, slice(0, 1)))
    flows = [first.step(*step[0])["streamflow"] for step in series[:3]]
    engine.add(subset(attributes, slice(1, 50)))
    flows += [first.step(*step[0])["streamflow"] for step in series[3:]]
    np.testing.assert_allclose(flows, expected[:, 0], rtol=1e-12)


def test_ids_and_handles() -> None:
    """Handles come in the order of the attributes, with the ids given or the numbers of their rows."""
    engine = Engine(make_model("Hbv_2"))
    named = engine.add(make_attributes(2), ids=["cat-7", "cat-3"])
    numbered = engine.add(make_attributes(2))
    assert [catchment.id for catchment in named + numbered] == ["cat-7", "cat-3", "2", "3"]
    assert engine.ids == ("cat-7", "cat-3", "2", "3")
    assert named[1] == Catchment(engine, 1)
    assert len(engine) == 4


def test_attributes_may_be_a_table() -> None:
    """Anything with columns by name will do; columns the model does not need are ignored."""
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(make_attributes(3)).assign(comment="none", extra=np.nan)
    engine = Engine(make_model("Hbv_2"))
    assert len(engine.add(table)) == 3


def test_attributes_needed_are_those_of_network_and_equations() -> None:
    """Upstream area and elevation are needed by 2.0 even where they are no inputs of its network."""
    attributes = ("aridity", "meanslope")
    assert Engine(make_model("Hbv_2", attributes=attributes)).attribute_names == ("aridity", "meanslope", "uparea", "meanelevation")
    assert Engine(make_model("Hbv", attributes=attributes)).attribute_names == attributes


@pytest.mark.parametrize("name", ["uparea", "meanelevation"])
def test_area_and_elevation_matter_without_being_inputs(backend: str, name: str) -> None:
    """Where the network does not read them, the equations do."""
    model = make_model("Hbv_2", attributes=("aridity", "meanslope"))
    series = make_weather(200, 2)
    attributes = make_attributes(2)
    attributes |= {"uparea": np.array([10.0, 10.0]), "meanelevation": np.array([100.0, 100.0])}
    first = make_engine(model, attributes, backend).run(series)["streamflow"]
    attributes[name] = np.array([2400.0, 2400.0])
    assert not np.allclose(make_engine(model, attributes, backend).run(series)["streamflow"], first, rtol=1e-3, atol=0.0)


@pytest.mark.parametrize("physics", FROM_SERIES)
def test_a_series_fixes_static_parameters(backend: str, physics: str) -> None:
    """The first series gives what the batch run gives; afterwards its static parameters hold, and catchments may be stepped."""
    model = make_model(physics)
    attributes, series = make_attributes(3), make_weather(20, 3)
    table = torch.from_numpy(np.stack([attributes[name] for name in model.settings.attributes], axis=1))
    with torch.no_grad():
        expected, end = model(torch.from_numpy(series), table)
        x, _ = model.network_inputs(torch.from_numpy(make_weather(1, 3, seed=8)), table)
        spun, state = model.lstm.advance(model.network_inputs(torch.from_numpy(series), table)[0], model.lstm.initial_state(3))
        dynamic, _ = model.dynamic_fractions(x, state)
        static = torch.sigmoid(spun[-1][:, model.physics.columns.static])
        constants = model.physics.constants(*model.physics.static_fractions(static))
        site = model.physics.site(3, torch.empty(0, dtype=torch.float64), {})
        after, _ = model.physics.simulate(torch.from_numpy(make_weather(1, 3, seed=8)), dynamic, *constants, site, end)
    engine = Engine(model, backend=backend)
    engine.add(attributes)
    for name, values in engine.run(series).items():
        np.testing.assert_allclose(values, expected[name].numpy(), rtol=1e-9, atol=1e-12, err_msg=name)
    for name, values in engine.step(make_weather(1, 3, seed=8)[0]).items():
        np.testing.assert_allclose(values, after[name][0].numpy(), rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("physics", FROM_SERIES)
def test_later_catchments_wait_for_a_series_of_their_own(backend: str, physics: str) -> None:
    """Catchments added after the spin-up wait for the next series, which leaves the others' static parameters alone."""
    model = make_model(physics)
    attributes, series = make_attributes(4), make_weather(6, 4)
    engine = Engine(model, backend=backend)
    handles = engine.add(subset(attributes, slice(0, 2)), ids=["cat-0", "cat-1"])
    twin = Engine(model, backend=backend)
    twin.add(subset(attributes, slice(0, 2)))
    engine.run(series[:, :2])
    twin.run(series[:, :2])
    engine.add(subset(attributes, slice(2, 4)), ids=["cat-2", "cat-3"])
    with pytest.raises(StateError, match=r"waiting: cat-2, cat-3$"):
        engine.step(series[0])
    found = engine.run(make_weather(6, 4, seed=1))["streamflow"]
    expected = twin.run(make_weather(6, 4, seed=1)[:, :2])["streamflow"]
    np.testing.assert_allclose(found[:, :2], expected, rtol=1e-12)
    assert handles[0].step(1.0, 5.0, 1.0)["streamflow"] > 0.0


def test_more_catchments_than_a_block_of_static_parameters(backend: str) -> None:
    """Catchments beyond one pass of the static network get their own parameters, not those of others."""
    model = make_model("Hbv_2")
    count = STATIC_BLOCK + 3
    attributes, series = make_attributes(count), make_weather(3, count)
    together = make_engine(model, attributes, backend).run(series)["streamflow"]
    for row in (0, STATIC_BLOCK - 1, STATIC_BLOCK, count - 1):
        alone = make_engine(model, subset(attributes, [row]), backend).run(series[:, [row]])["streamflow"]
        np.testing.assert_allclose(together[:, [row]], alone, rtol=1e-12)


def test_static_parameters_are_computed_once_and_together(backend: str) -> None:
    """Catchments added one by one wait for the first step; the static network then runs once for a block of them and never again."""
    model = make_model("Hbv_2")
    sizes: list[int] = []
    model.network.ann.register_forward_hook(lambda _module, inputs, _outputs: sizes.append(len(inputs[0])))
    engine = Engine(model, backend=backend)
    for row in range(STATIC_BLOCK + 1):
        (catchment,) = engine.add(subset(make_attributes(STATIC_BLOCK + 1), [row]))
    assert sizes == []
    catchment.step(1.0, 5.0, 1.0)
    assert sizes == [STATIC_BLOCK, STATIC_BLOCK]
    engine.run(make_weather(3, len(engine)))
    assert len(sizes) == 2


def test_fixing_static_parameters_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A series that fixes static parameters says for how many catchments, and from how many steps; a later one says nothing."""
    engine = Engine(make_model("Hbv_1_1p"))
    engine.add(make_attributes(3))
    with caplog.at_level(logging.INFO, logger="dmg_core.engine.catchments"):
        engine.run(make_weather(7, 3))
        engine.run(make_weather(7, 3))
    assert caplog.messages == ["static parameters of 3 catchments are fixed by the end of a series of 7 steps"]


def test_an_engine_without_catchments(backend: str) -> None:
    """An engine nobody was added to runs nothing, and does not fail."""
    engine = Engine(make_model("Hbv_2"), backend=backend)
    assert engine.add({name: np.array([]) for name in engine.attribute_names}) == []
    assert engine.run(np.empty((2, 0, 3)))["streamflow"].shape == (2, 0)


def test_a_process_shares_one_engine_for_each_folder(tmp_path: Path) -> None:
    """The same folder, precision and backend are one engine, which goes when nobody uses it; others are others."""
    folder = write_model(tmp_path / "model", "Hbv_2")
    engine = shared_engine(folder)
    assert shared_engine(folder / ".." / "model") is engine
    assert shared_engine(folder, dtype="float64") is not engine
    assert shared_engine(folder, backend="torch") is not engine
    (catchment,) = engine.add(make_attributes(1))
    del engine
    gc.collect()
    assert shared_engine(folder) is catchment.engine
    del catchment
    gc.collect()
    assert len(shared_engine(folder)) == 0
