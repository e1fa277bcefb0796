"""Tests of dmg_core.engine.state_access."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmg_core import Catchment, DeltaModel, Engine
from dmg_core.engine.state_access import read_state, set_state, stores_by_name
from dmg_core.models import PROCESS_MODELS
from tests.dmg_core.factories import FAMILY, make_attributes, make_engine, make_model, make_weather
from tests.dmg_core.strategies import models, seeds

#: A member of the family that has all stores.
ALL_STORES = "Hbv_2_1_hourly"
#: These and the parts of the network's state.
STORES = tuple(stores_by_name(PROCESS_MODELS[ALL_STORES]))
NETWORK = ("network_hidden", "network_cell")

#: Outputs that tell the mean of a store over its components.
STORE_OUTPUTS = {
    "snowpack": "swe",
    "meltwater": "meltwater",
    "soil_moisture": "soil_moisture",
    "upper_zone": "upper_zone",
    "lower_zone": "lower_zone",
    "excess_store_1": "excess_store_1",
    "excess_store_2": "excess_store_2",
}


@pytest.fixture
def engine() -> Engine:
    """Give three catchments that have run a little."""
    engine = make_engine(make_model(ALL_STORES), make_attributes(3))
    engine.run(make_weather(20, 3))
    return engine


def _all_but(engine: Engine, row: int) -> list[bytes]:
    """All that is known of the other catchments."""
    return [array[[other for other in range(len(engine)) if other != row]].tobytes() for array in engine.arrays.named.values()]


@pytest.mark.parametrize("name", STORES)
def test_stores_are_read_as_they_are(name: str) -> None:
    """Each store is read with one value per component, in mm, whose mean is the output of that name."""
    engine = make_engine(make_model(ALL_STORES, nmul=3), make_attributes(3))
    outputs = engine.run(make_weather(20, 3))
    for row in range(3):
        values = read_state(Catchment(engine, row), name)
        assert (values.shape, values.dtype) == ((3,), np.float64)
        assert values.mean() == pytest.approx(outputs[STORE_OUTPUTS[name]][-1, row], rel=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NETWORK)
def test_network_state_is_read_in_its_precision(name: str, dtype: str) -> None:
    """The network's state has one value per hidden unit, of the network's precision; hidden values are below 1."""
    engine = make_engine(make_model(ALL_STORES, dtype=dtype), make_attributes(3))
    engine.run(make_weather(20, 3))
    values = read_state(Catchment(engine, 1), name)
    assert (values.shape, values.dtype) == ((5,), np.dtype(dtype))
    assert values.any()
    assert name == "network_cell" or (np.abs(values) < 1.0).all()


@pytest.mark.parametrize("name", [*STORES, *NETWORK])
def test_what_is_read_is_a_copy(engine: Engine, name: str) -> None:
    """Writing to what was read changes nothing."""
    catchment = Catchment(engine, 1)
    before = read_state(catchment, name)
    read_state(catchment, name)[...] = 7.0
    np.testing.assert_array_equal(read_state(catchment, name), before)


@pytest.mark.parametrize("name", [*STORES, *NETWORK])
def test_what_is_set_is_read_and_nothing_else_changes(engine: Engine, name: str) -> None:
    """A value that is set is read back; no other catchment changes and no other part of this one but the sum of increments."""
    catchment = Catchment(engine, 1)
    others = {other: read_state(catchment, other) for other in (*STORES, *NETWORK) if other != name}
    rest = _all_but(engine, 1)
    values = np.linspace(0.5, 0.9, len(read_state(catchment, name)))
    set_state(catchment, name, values)
    np.testing.assert_array_equal(read_state(catchment, name), values)
    values[:] = 100.0
    assert (read_state(catchment, name) < 1.0).all()
    for other, expected in others.items():
        np.testing.assert_array_equal(read_state(catchment, other), expected)
    assert _all_but(engine, 1) == rest


@pytest.mark.parametrize("name", [*STORES, *NETWORK])
def test_setting_what_is_there_changes_nothing(name: str) -> None:
    """A run in which every value is read and set again is bitwise the run without it."""
    series = make_weather(20, 2)
    touched, untouched = (make_engine(make_model(ALL_STORES), make_attributes(2)) for _ in range(2))
    for step in series:
        touched.step(step)
        for row in range(2):
            set_state(Catchment(touched, row), name, read_state(Catchment(touched, row), name))
    untouched.run(series)
    for field, array in untouched.arrays.named.items():
        assert touched.arrays.named[field].tobytes() == array.tobytes(), field


def test_set_value_takes_part(engine: Engine) -> None:
    """Water put into a store runs off or evaporates later, the network's state changes parameters."""
    step = make_weather(1, 3, seed=5)[0]
    expected = engine.capture(slice(0, 3))
    flow = engine.step(step)["streamflow"][1]
    for name, value in (("upper_zone", 80.0), ("soil_moisture", 300.0), ("network_hidden", -0.9)):
        for row in range(3):
            engine.restore(row, {field: array[row] for field, array in expected.items()}, "before")
        set_state(Catchment(engine, 1), name, np.full_like(read_state(Catchment(engine, 1), name), value))
        assert engine.step(step)["streamflow"][1] != flow, name


# --- what cannot be ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [[1.0, -1e-9], [np.nan, 1.0], [1.0, np.inf], [-np.inf, 1.0]])
@pytest.mark.parametrize("name", STORES)
def test_impossible_stores_are_refused(engine: Engine, name: str, values: list[float]) -> None:
    """A store cannot be made negative or non-finite: the error names catchment, store and values, and nothing changes."""
    before = [array.tobytes() for array in engine.arrays.named.values()]
    with pytest.raises(ValueError, match=rf"catchment 1: {name} cannot be set to \[.*\], expected numbers not below 0 mm"):
        set_state(Catchment(engine, 1), name, np.array(values))
    assert [array.tobytes() for array in engine.arrays.named.values()] == before


@pytest.mark.parametrize("name", STORES)
def test_an_emptied_store_may_be_set_to_what_it_holds(engine: Engine, name: str) -> None:
    """A store that a step has emptied may be below 0 by rounding, which is no reason to refuse it; set from outside, that is 0."""
    set_state(Catchment(engine, 1), name, np.array([-1e-17, -5e-13]))
    np.testing.assert_array_equal(read_state(Catchment(engine, 1), name), [0.0, 0.0])
    engine.arrays.stores[1, :, STORES.index(name)] = -1e-17
    set_state(Catchment(engine, 1), name, np.array([-1e-17, -5e-13]))
    np.testing.assert_array_equal(read_state(Catchment(engine, 1), name), [-1e-17, 0.0])


@pytest.mark.parametrize("physics", FAMILY)
@pytest.mark.parametrize("name", STORES)
def test_rounding_below_zero_makes_no_water(backend: str, physics: str, name: str) -> None:
    """A store set to less than 0 by rounding gives the fluxes of an empty one, to the last bit."""
    model = make_model(physics)
    if name not in stores_by_name(model.physics.process):
        return
    flows = []
    for value in (0.0, -5e-13):
        engine = make_engine(model, make_attributes(1), backend)
        set_state(Catchment(engine, 0), name, np.full(2, value))
        flows.append(engine.run(np.tile([3.0, 5.0, 1.0], (4, 1, 1))))
    for output, series in flows[0].items():
        assert np.isfinite(series).all()
        np.testing.assert_array_equal(series, flows[1][output], err_msg=output)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", NETWORK)
def test_impossible_network_state_is_refused(engine: Engine, name: str, value: float) -> None:
    """The network's state may be negative, but not non-finite."""
    values = np.full(5, -0.5)
    set_state(Catchment(engine, 1), name, values)
    values[3] = value
    with pytest.raises(ValueError, match=rf"catchment 1: {name} cannot be set to .*, expected finite numbers"):
        set_state(Catchment(engine, 1), name, values)
    np.testing.assert_array_equal(read_state(Catchment(engine, 1), name), np.full(5, -0.5))


@pytest.mark.parametrize("name", NETWORK)
def test_number_beyond_the_precision_is_refused(name: str) -> None:
    """A number that is finite as it is given, but not in the network's precision, is refused like one that is not."""
    catchment = Catchment(make_engine(make_model(ALL_STORES, dtype="float32"), make_attributes(1)), 0)
    with pytest.raises(ValueError, match="expected finite numbers"):
        set_state(catchment, name, np.full(5, 1e300))
    assert np.isfinite(read_state(catchment, name)).all()


@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 2), (2, 1), (0,)])
@pytest.mark.parametrize("name", STORES)
def test_wrong_number_of_values_is_refused(engine: Engine, name: str, shape: tuple[int, ...]) -> None:
    """As many values as there are components are wanted: nothing is spread over them in silence."""
    before = read_state(Catchment(engine, 1), name)
    with pytest.raises(ValueError, match=f"catchment 1: {name} has 2 values"):
        set_state(Catchment(engine, 1), name, np.ones(shape))
    np.testing.assert_array_equal(read_state(Catchment(engine, 1), name), before)


@pytest.mark.parametrize("name", ["SM", "soil", "budget", "h", ""])
def test_unknown_name_is_a_key_error(engine: Engine, name: str) -> None:
    """There are the named stores and the network's state, and nothing else to read or set."""
    with pytest.raises(KeyError):
        read_state(Catchment(engine, 1), name)
    with pytest.raises(KeyError):
        set_state(Catchment(engine, 1), name, np.ones(2))


@pytest.mark.parametrize("name", ["excess_store_1", "excess_store_2"])
def test_a_store_of_another_member_is_a_key_error(name: str) -> None:
    """Members before 2.1 have five stores; there is nothing to read or set in the others."""
    catchment = Catchment(make_engine(make_model("Hbv_2_hourly"), make_attributes(1)), 0)
    assert tuple(stores_by_name(catchment.engine.model.physics.process)) == (
        "snowpack",
        "meltwater",
        "soil_moisture",
        "upper_zone",
        "lower_zone",
    )
    with pytest.raises(KeyError, match=name):
        read_state(catchment, name)
    with pytest.raises(KeyError, match=name):
        set_state(catchment, name, np.ones(2))


# --- water -------------------------------------------------------------------------------------------------------------------------------


@given(model=models(), seed=seeds, data=st.data())
@settings(max_examples=25)
def test_budget_counts_increments(model: DeltaModel, seed: int, data: st.DataObject) -> None:
    """Whatever is put in and taken out between steps, the increments are its sum, and the budget closes to rounding."""
    engine, series = make_engine(model, make_attributes(2, seed)), make_weather(12, 2, seed)
    engine.reset_budget()
    expected = 0.0
    for step in series:
        engine.step(step)
        name: Any = data.draw(st.sampled_from([*stores_by_name(model.physics.process), *NETWORK]))
        present = read_state(Catchment(engine, 1), name)
        values = np.array(data.draw(st.lists(st.floats(0.0, 500.0), min_size=len(present), max_size=len(present))))
        if name in STORES:
            expected += (values - present).mean()
        set_state(Catchment(engine, 1), name, values)
    budget = engine.budget()
    assert budget["increments"].tolist() == [0.0, pytest.approx(expected, rel=1e-12, abs=1e-12)]
    assert (np.abs(budget["residual"]) < 1e-9).all()
