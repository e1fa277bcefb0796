"""Tests of dmg_core.engine.engine: what it refuses, and that nothing is half-done then."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dmg_core import Engine
from dmg_core.errors import AttributeTableError, ConfigError, DmgError, ForcingError, StateError
from tests.dmg_core.factories import (
    FROM_SERIES,
    FloatArray,
    make_attributes,
    make_engine,
    make_model,
    make_weather,
)


def assert_same_future(engine: Engine, twin: Engine) -> None:
    """Whatever happened to ``engine``, it has the catchments and the state of its twin."""
    assert engine.ids == twin.ids
    series = make_weather(3, len(twin), seed=5)
    found, expected = engine.run(series), twin.run(series)
    for name in engine.outputs:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)


BAD_ATTRIBUTES = {
    "missing": ({"uparea": None, "aridity": None}, "attributes are missing: aridity, uparea; the model needs aridity, uparea, meanslope"),
    "length": ({"meanslope": np.ones(2)}, r"attributes differ in length: .*'meanslope': \(2,\)"),
    "shape": ({name: np.ones((3, 1)) for name in make_attributes(1)}, "attributes differ in length"),
    "nan": ({"aridity": np.array([1.0, np.nan, 2.0])}, "catchment cat-11: attribute aridity is nan, expected a finite number"),
    "infinity": ({"uparea": np.array([1.0, 1.0, np.inf])}, "catchment cat-12: attribute uparea is inf, expected a finite number"),
}


@pytest.mark.parametrize(("changes", "message"), BAD_ATTRIBUTES.values(), ids=BAD_ATTRIBUTES)
def test_bad_attributes(backend: str, changes: dict[str, Any], message: str) -> None:
    """Missing, ragged or non-finite attributes are an error that names them and the catchment; nothing is added then."""
    attributes: dict[str, Any] = {**make_attributes(3, seed=1), **changes}
    attributes = {name: values for name, values in attributes.items() if values is not None}
    engine, twin = (make_engine(make_model("Hbv_2"), make_attributes(2), backend) for _ in range(2))
    with pytest.raises(AttributeTableError, match=message):
        engine.add(attributes, ids=["cat-10", "cat-11", "cat-12"])
    assert_same_future(engine, twin)


def test_wrong_number_of_ids() -> None:
    """Ids that are not one for each catchment are an error; nothing is added then."""
    engine = Engine(make_model("Hbv_2"))
    with pytest.raises(AttributeTableError, match="1 ids for 3 catchments"):
        engine.add(make_attributes(3), ids=["cat-1"])
    assert len(engine) == 0


BAD_FORCING: dict[str, tuple[FloatArray, str]] = {
    "catchments": (np.zeros((4, 3, 3)), r"forcing of 2 catchments has shape \(4, 3, 3\), expected \(T, 2, 3\)"),
    "variables": (np.zeros((4, 2, 8)), r"has shape \(4, 2, 8\)"),
    "dimensions": (np.zeros((2, 3)), r"has shape \(2, 3\)"),
}


@pytest.mark.parametrize(("forcing", "message"), BAD_FORCING.values(), ids=BAD_FORCING)
def test_forcing_of_the_wrong_shape(backend: str, forcing: FloatArray, message: str) -> None:
    """Forcing of the wrong shape is an error that names the shape it has and should have; nothing is stepped then."""
    engine, twin = (make_engine(make_model("Hbv_2"), make_attributes(2), backend) for _ in range(2))
    with pytest.raises(ForcingError, match=message):
        engine.run(forcing)
    with pytest.raises(ForcingError, match=r"expected \(T, 2, 3\)"):
        engine.step(forcing[0])
    assert_same_future(engine, twin)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("column", "name"), [(0, "precipitation"), (1, "temperature"), (2, "potential evapotranspiration")])
def test_forcing_that_is_not_finite(backend: str, value: float, column: int, name: str) -> None:
    """Non-finite forcing is an error that names catchment, variable and step; no catchment is stepped then."""
    engine, twin = (Engine(make_model("Hbv_2"), backend=backend) for _ in range(2))
    handles = engine.add(make_attributes(2), ids=["cat-1", "cat-2"])
    twin.add(make_attributes(2), ids=["cat-1", "cat-2"])
    series = make_weather(5, 2)
    series[3, 1, column] = value
    with pytest.raises(ForcingError, match=f"catchment cat-2: {name} is {value} at step 3 of the series"):
        engine.run(series)
    with pytest.raises(ForcingError, match=f"catchment cat-2: {name} is {value}"):
        engine.step(series[3])
    with pytest.raises(ForcingError, match=f"catchment cat-2: {name} is {value}, expected a finite number"):
        handles[1].step(*series[3, 1])
    assert_same_future(engine, twin)


def test_unknown_outputs(backend: str) -> None:
    """Unknown outputs are an error that names them and those there are; nothing is stepped then."""
    engine, twin = (make_engine(make_model("Hbv_2"), make_attributes(2), backend) for _ in range(2))
    with pytest.raises(ConfigError, match=r"unknown outputs runoff, snow; there are streamflow, .*lower_zone"):
        engine.run(make_weather(3, 2), outputs=("swe", "runoff", "snow"))
    assert_same_future(engine, twin)


@pytest.mark.parametrize(
    ("device", "backend_name", "message"),
    [
        ("cpu", "numba", "backend 'numba' is not one of auto, compiled, torch"),
        ("cuda", "compiled", "backend 'compiled' works on cpu only, not on cuda"),
        ("cuda:1", "compiled", "backend 'compiled' works on cpu only, not on cuda"),
        ("gpu", "auto", "gpu"),
    ],
)
def test_backends_and_devices_that_do_not_go_together(device: str, backend_name: str, message: str) -> None:
    """Unknown backends and devices, and compiled code on other devices than the CPU, are errors that say what would be right."""
    with pytest.raises(ConfigError, match=message):
        Engine(make_model("Hbv_2"), device, backend_name)


@pytest.mark.parametrize("physics", FROM_SERIES)
def test_stepping_before_a_series_is_refused(backend: str, physics: str) -> None:
    """Static parameters of 1.0 and 1.1p are the end of a series: a step before one is an error that says so and names who waits."""
    model = make_model(physics)
    engine, twin = Engine(model, backend=backend), Engine(model, backend=backend)
    handles = engine.add(make_attributes(7), ids=[f"cat-{number}" for number in range(7)])
    twin.add(make_attributes(7), ids=[f"cat-{number}" for number in range(7)])
    message = rf"{physics} are the network's outputs at the end of a series: run a spin-up series first.*waiting: "
    with pytest.raises(StateError, match=message + "cat-0, .*cat-4 …"):
        engine.step(np.ones((7, 3)))
    with pytest.raises(StateError, match=message + "cat-3$"):
        handles[3].step(1.0, 1.0, 1.0)
    assert_same_future(engine, twin)


@pytest.mark.parametrize("physics", FROM_SERIES)
def test_a_series_without_steps_fixes_nothing(backend: str, physics: str) -> None:
    """A series of no steps has no end to take static parameters from: an error of ours, and the catchments go on waiting."""
    engine, twin = (Engine(make_model(physics), backend=backend) for _ in range(2))
    for each in (engine, twin):
        each.add(make_attributes(2))
    with pytest.raises((StateError, ForcingError)):
        engine.run(np.empty((0, 2, 3)))
    assert_same_future(engine, twin)


def test_a_series_without_steps(backend: str) -> None:
    """A series of no steps gives series of no steps and changes nothing."""
    engine, twin = (make_engine(make_model("Hbv_2"), make_attributes(2), backend) for _ in range(2))
    assert engine.run(np.empty((0, 2, 3)))["streamflow"].shape == (0, 2)
    assert_same_future(engine, twin)


def test_errors_are_of_one_family() -> None:
    """Every error raised on purpose can be told from a fault of the software."""
    assert all(issubclass(error, DmgError) for error in (AttributeTableError, ConfigError, ForcingError, StateError))
