"""Tests of dmg_core.engine.calibration."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from dmg_core import Engine
from dmg_core.errors import ConfigError
from tests.dmg_core.factories import make_attributes, make_engine, make_model, make_weather

STEPS, CATCHMENTS, CHANGED = 40, 3, 1


def engine_of(physics: str = "Hbv_2", backend: str = "compiled") -> Engine:
    """An engine of a small model whose catchments may be stepped."""
    return make_engine(make_model(physics), make_attributes(CATCHMENTS), backend)


def parameter_of(engine: Engine, symbol: str) -> np.ndarray:
    """Values (N, nmul) of a parameter in the last step."""
    column = [parameter.symbol for parameter in engine.model.physics.process.parameters].index(symbol)
    return engine.arrays.parameters[: len(engine), :, column].copy()


@pytest.mark.parametrize(("name", "symbol"), [("parFC", "FC"), ("parBETA", "BETA")])
def test_a_value_takes_the_place_of_the_networks(name: str, symbol: str) -> None:
    """A value set for one catchment is what all its components use at every step, static or dynamic; others keep the network's."""
    engine, untouched = engine_of(), engine_of()
    low, high = engine.calibration.parameters[name].low, engine.calibration.parameters[name].high
    value = low + 0.3 * (high - low)
    engine.calibration.set_value(engine.arrays, CHANGED, name, value)
    series = make_weather(STEPS, CATCHMENTS)
    changed, reference = engine.run(series)["streamflow"], untouched.run(series)["streamflow"]
    np.testing.assert_array_equal(parameter_of(engine, symbol)[CHANGED], value)
    others = [row for row in range(CATCHMENTS) if row != CHANGED]
    np.testing.assert_array_equal(changed[:, others], reference[:, others])
    assert not np.allclose(changed[:, CHANGED], reference[:, CHANGED])


@pytest.mark.parametrize(("name", "symbol"), [("parFC", "FC"), ("parBETA", "BETA")])
def test_a_multiplier_follows_the_network_within_the_range(name: str, symbol: str) -> None:
    """A multiplier scales what the network gives, and what it gives stays within the parameter's range."""
    engine, untouched = engine_of(), engine_of()
    engine.calibration.multiply(engine.arrays, CHANGED, name, 1.7)
    series = make_weather(STEPS, CATCHMENTS)
    engine.run(series)
    untouched.run(series)
    expected = np.minimum(1.7 * parameter_of(untouched, symbol)[CHANGED], engine.calibration.parameters[name].high)
    np.testing.assert_allclose(parameter_of(engine, symbol)[CHANGED], expected, rtol=1e-14)


def test_backends_agree_on_changed_parameters() -> None:
    """Compiled code and torch give the same flow with values and multipliers on static and dynamic parameters."""
    series, flows = make_weather(STEPS, CATCHMENTS), []
    for backend in ("compiled", "torch"):
        engine = engine_of(backend=backend)
        engine.calibration.set_value(engine.arrays, 0, "parK0", 0.4)
        engine.calibration.multiply(engine.arrays, 1, "parBETAET", 3.0)
        engine.calibration.set_value(engine.arrays, 2, "parPERC", 2.0)
        flows.append(engine.run(series)["streamflow"])
    np.testing.assert_allclose(*flows, rtol=1e-9)


@pytest.mark.parametrize("value", [49.9, 1000.1, np.nan, np.inf])
def test_a_value_out_of_range_is_refused_with_the_range(value: float) -> None:
    """A value outside the range is an error that names it, and nothing changes."""
    engine, untouched = engine_of(), engine_of()
    with pytest.raises(ConfigError, match=r"parFC cannot be .*, expected 50 to 1000 mm"):
        engine.calibration.set_value(engine.arrays, CHANGED, "parFC", value)
    series = make_weather(STEPS, CATCHMENTS)
    np.testing.assert_array_equal(engine.run(series)["streamflow"], untouched.run(series)["streamflow"])


@pytest.mark.parametrize("multiplier", [0.0, -1.0, np.nan, np.inf])
def test_a_multiplier_is_a_positive_number(multiplier: float) -> None:
    """Multipliers that are no positive numbers are refused."""
    engine = engine_of()
    with pytest.raises(ConfigError, match=r"multiplier of parFC cannot be .*, expected a positive number"):
        engine.calibration.multiply(engine.arrays, CHANGED, "parFC", multiplier)


def test_values_set_before_static_parameters_are_known_hold() -> None:
    """A value set right after a catchment was added, before the network was asked, holds once it is."""
    engine = Engine(make_model("Hbv_2"))
    engine.add(make_attributes(CATCHMENTS))
    engine.calibration.set_value(engine.arrays, CHANGED, "parFC", 123.0)
    engine.run(make_weather(STEPS, CATCHMENTS))
    np.testing.assert_array_equal(parameter_of(engine, "FC")[CHANGED], 123.0)


def test_static_parameters_from_a_series_take_no_multipliers() -> None:
    """In 1.1p static parameters are part of the state, so that a multiplier would be applied again after a restart: it is refused."""
    engine = engine_of("Hbv_1_1p")
    with pytest.raises(ConfigError, match=r"parFC .*set a value, not a multiplier"):
        engine.calibration.multiply(engine.arrays, CHANGED, "parFC", 1.2)
    engine.calibration.multiply(engine.arrays, CHANGED, "parBETA", 1.2)
    assert engine.calibration.change_of(CHANGED, "parBETA") == (1.2, 0.0)


#: What may be set for a parameter, in any order: a value of 30 % of its range, a multiplier of 1.5.
ORDERS = [order for count in (1, 2, 3) for order in permutations(["value", "multiplier", "step"], count) if order != ("step",)]


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
@pytest.mark.parametrize(("name", "symbol"), [("parFC", "FC"), ("parBETA", "BETA")])
def test_value_and_multiplier_mean_the_same_in_any_order(name: str, symbol: str, order: tuple[str, ...]) -> None:
    """A value replaces the network's and a multiplier multiplies what stands there, whichever comes first, also after a step."""
    engine, untouched = engine_of(), engine_of()
    parameter = engine.calibration.parameters[name]
    value = parameter.low + 0.3 * (parameter.high - parameter.low)
    for what in order:
        if what == "value":
            engine.calibration.set_value(engine.arrays, CHANGED, name, value)
        elif what == "multiplier":
            engine.calibration.multiply(engine.arrays, CHANGED, name, 1.5)
        else:
            for each in (engine, untouched):
                each.step(np.ones((CATCHMENTS, 3)))
    for each in (engine, untouched):
        each.arrays.network["h"][:], each.arrays.network["c"][:] = 0.0, 0.0
        each.step(np.ones((CATCHMENTS, 3)))
    stands = value if "value" in order else parameter_of(untouched, symbol)[CHANGED]
    expected = np.clip(stands * (1.5 if "multiplier" in order else 1.0), parameter.low, parameter.high)
    np.testing.assert_allclose(parameter_of(engine, symbol)[CHANGED], np.broadcast_to(expected, 2), rtol=1e-12)
    np.testing.assert_array_equal(parameter_of(engine, symbol)[0], parameter_of(untouched, symbol)[0])


@pytest.mark.parametrize(("name", "symbol"), [("parFC", "FC"), ("parBETA", "BETA")])
def test_the_last_one_set_counts(name: str, symbol: str) -> None:
    """Values and multipliers can be set again, between steps, too: they do not pile up."""
    engine, untouched = engine_of(), engine_of()
    for multiplier in (0.9, 1.7, 1.0):
        engine.calibration.multiply(engine.arrays, CHANGED, name, multiplier)
        for each in (engine, untouched):
            each.step(np.ones((CATCHMENTS, 3)))
        low, high = engine.calibration.parameters[name].low, engine.calibration.parameters[name].high
        expected = np.clip(multiplier * parameter_of(untouched, symbol)[CHANGED], low, high)
        np.testing.assert_allclose(parameter_of(engine, symbol)[CHANGED], expected, rtol=1e-12)


def test_a_withdrawn_catchment_leaves_nothing_set() -> None:
    """A catchment that takes the row of one that was withdrawn has the network's parameters."""
    engine, untouched = Engine(make_model("Hbv_2")), Engine(make_model("Hbv_2"))
    (gone,) = engine.add(make_attributes(1))
    engine.calibration.set_value(engine.arrays, 0, "parFC", 123.0)
    engine.calibration.multiply(engine.arrays, 0, "parBETA", 1.5)
    engine.step(np.ones((1, 3)))
    engine.withdraw(gone)
    for each in (engine, untouched):
        each.add(make_attributes(1))
        each.step(np.ones((1, 3)))
    for symbol in ("FC", "BETA"):
        np.testing.assert_array_equal(parameter_of(engine, symbol), parameter_of(untouched, symbol))
