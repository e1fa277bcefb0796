"""Tests of dmg_core.engine.engine: some of its catchments run through a series."""

from __future__ import annotations

import numpy as np
import pytest

from dmg_core import Catchment, Engine
from dmg_core.engine.state_access import read_state, set_state
from dmg_core.errors import CatchmentError, ConfigError, ForcingError, StateError
from dmg_core.model import DeltaModel
from dmg_core.networks import LstmMlpModel
from tests.dmg_core.factories import FAMILY, FROM_SERIES, make_attributes, make_engine, make_model, make_weather, subset


@pytest.mark.parametrize("physics", FAMILY)
def test_some_rows_are_run_as_if_they_were_alone(backend: str, physics: str) -> None:
    """Rows run apart give bitwise what they give with all others, and those stay as they were."""
    model, attributes, weather = make_model(physics), make_attributes(5), make_weather(20, 5)
    together, apart = (make_engine(model, attributes, backend) for _ in range(2))
    expected = together.run(weather)
    before = apart.capture(slice(3, 5))
    found = apart.run_rows(slice(1, 3), weather[:, 1:3])
    for name, series in found.items():
        if backend == "compiled":
            np.testing.assert_array_equal(series, expected[name][:, 1:3], err_msg=name)
        np.testing.assert_allclose(series, expected[name][:, 1:3], rtol=1e-9, atol=1e-12, err_msg=name)
    for name, array in apart.capture(slice(3, 5)).items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)


def test_forcing_of_some_rows(backend: str) -> None:
    """Errors name the shape that these rows need, and the catchment by its own id."""
    engine = Engine(make_model("Hbv_2"), backend=backend)
    engine.add(make_attributes(4), ids=[f"cat-{number}" for number in range(4)])
    with pytest.raises(ForcingError, match=r"forcing of 2 catchments has shape \(3, 4, 3\), expected \(T, 2, 3\)"):
        engine.run_rows(slice(2, 4), make_weather(3, 4))
    weather = make_weather(3, 2)
    weather[1, 1, 1] = np.nan
    with pytest.raises(ForcingError, match="catchment cat-3: temperature is nan at step 1"):
        engine.run_rows(slice(2, 4), weather)


@pytest.mark.parametrize("physics", FROM_SERIES)
def test_a_series_fixes_the_parameters_of_its_rows(physics: str) -> None:
    """Static parameters are fixed by a series for its own rows only, without a step being made; a series without steps fixes none."""
    model, attributes, weather = make_model(physics), make_attributes(4), make_weather(9, 4)
    whole, engine = Engine(model), Engine(model)
    for each in (whole, engine):
        each.add(attributes)
    whole.run(weather)
    with pytest.raises(StateError, match=f"a series without steps cannot give the static parameters of {physics}"):
        engine.settle_from_series(slice(1, 3), weather[:0, 1:3])
    stores = engine.arrays.stores.copy()
    engine.settle_from_series(slice(1, 3), weather[:, 1:3])
    np.testing.assert_array_equal(engine.arrays.settled[:4], [False, True, True, False])
    np.testing.assert_array_equal(engine.arrays.hydrograph[1:3], whole.arrays.hydrograph[1:3])
    np.testing.assert_array_equal(engine.arrays.stores, stores)
    with pytest.raises(StateError, match="waiting: 0, 3"):
        engine.step(np.ones((4, 3)))
    engine.run(weather)
    np.testing.assert_array_equal(engine.arrays.settled[:4], [True] * 4)


def test_the_static_network_stays_while_catchments_come() -> None:
    """Catchments that are added and run one by one do not have the weights behind static parameters read for each; a step lets them go."""
    reads = []

    def reload() -> DeltaModel:
        reads.append(len(engine))
        return make_model("Hbv_2")

    engine = Engine(make_model("Hbv_2"), reload=reload)
    network = engine.model.network
    assert isinstance(network, LstmMlpModel)
    for row in range(5):
        engine.add(subset(make_attributes(5), [row]))
        engine.run_rows(slice(row, row + 1), make_weather(3, 1))
    assert reads == [2]
    assert network.ann.i2h.weight.device.type == "cpu"
    engine.step(make_weather(1, 5)[0])
    assert network.ann.i2h.weight.device.type == "meta"
    assert reads == [2]


def test_budgets_of_some_rows_begin_anew() -> None:
    """Sums of some rows can be set to zero without the others."""
    engine = make_engine(make_model("Hbv_2"), make_attributes(3))
    engine.run(make_weather(5, 3))
    before = engine.budget()
    engine.reset_budget(slice(1, 2))
    after = engine.budget()
    for name, values in after.items():
        np.testing.assert_array_equal(values[[0, 2]], before[name][[0, 2]], err_msg=name)
        assert values[1] == 0.0
    engine.reset_budget()
    assert not engine.budget()["precipitation"].any()


ROWS = [slice(0, 400), slice(-2, 4), slice(0, -1), slice(0, 4, 2), slice(3, 1), slice(4, 0, -1), slice(5, 5), slice(0.0, 2), slice("0", 2)]


@pytest.mark.parametrize("rows", [*ROWS, 2, None], ids=str)
def test_rows_that_there_are_not(backend: str, rows: slice) -> None:
    """Rows beyond the catchments, from the end, backwards or in steps are refused by all that takes rows; nothing is changed."""
    engine = make_engine(make_model("Hbv_2"), make_attributes(4), backend)
    before = [array.tobytes() for array in engine.arrays.named.values()]
    for use in (
        lambda: engine.run_rows(rows, make_weather(3, 4)),
        lambda: engine.settle_from_series(rows, make_weather(3, 4)),
        lambda: engine.capture(rows),
        lambda: engine.reanchored(rows),
        lambda: engine.catch_up(rows),
    ):
        with pytest.raises(CatchmentError, match="rows are"):
            use()
    assert [array.tobytes() for array in engine.arrays.named.values()] == before


@pytest.mark.parametrize("row", [-1, 4, 400, 1.5])
def test_a_row_that_there_is_not(row: int) -> None:
    """One row that there is not is refused by handles, steps and restored states."""
    engine = make_engine(make_model("Hbv_2"), make_attributes(4))
    for use in (
        lambda: Catchment(engine, row),
        lambda: engine.advance(row, 1.0, 1.0, 1.0),
        lambda: engine.restore(row, {name: array[0] for name, array in engine.capture(slice(0, 1)).items()}, "here"),
    ):
        with pytest.raises((CatchmentError, TypeError)):
            use()


@pytest.mark.parametrize("physics", FAMILY)
def test_no_rows_and_no_steps(backend: str, physics: str) -> None:
    """No catchments give outputs of no columns, no steps outputs of no rows, from an engine that has none and from one that has some."""
    for engine in (Engine(make_model(physics), backend=backend), make_engine(make_model(physics), make_attributes(4), backend)):
        assert engine.run_rows(slice(0, 0), np.empty((5, 0, 3)))["streamflow"].shape == (5, 0)
        assert engine.capture(slice(0, 0))["stores"].shape[0] == 0
        assert engine.add({name: [] for name in engine.attribute_names}) == []
        assert len(engine.budget()["residual"]) == len(engine)
    assert engine.run(np.empty((0, 4, 3)))["streamflow"].shape == (0, 4)
    with pytest.raises(ConfigError, match="threads is 0"):
        Engine(make_model(physics), backend=backend, threads=0)


def test_all_rows_by_default() -> None:
    """A slice without start or stop means all from the first or up to the last."""
    engine, twin = (make_engine(make_model("Hbv_2"), make_attributes(4)) for _ in range(2))
    weather = make_weather(3, 4)
    np.testing.assert_array_equal(engine.run_rows(slice(None), weather)["streamflow"], twin.run(weather)["streamflow"])


@pytest.mark.parametrize("column", [0, 2])
def test_depths_below_zero_are_refused(backend: str, column: int) -> None:
    """Precipitation and potential evapotranspiration below 0 are refused with catchment, value and step; nothing is stepped then."""
    engine, twin = (make_engine(make_model("Hbv_2"), make_attributes(2), backend) for _ in range(2))
    series = make_weather(5, 2)
    series[3, 1, column] = -1e-9
    for use in (lambda: engine.run(series), lambda: engine.step(series[3]), lambda: Catchment(engine, 1).step(*series[3, 1])):
        with pytest.raises(ForcingError, match=r"catchment 1: .* is -1e-09.*, expected a finite number not below 0 mm"):
            use()
    np.testing.assert_array_equal(engine.step(series[0])["streamflow"], twin.step(series[0])["streamflow"])


def test_names_are_unique() -> None:
    """Two catchments of one name are refused, added at once, one after the other, or by a row number; nothing is added then."""
    engine = Engine(make_model("Hbv_2"))
    engine.add(make_attributes(2), ids=["cat-1", "3"])
    for ids in (["cat-2", "cat-2"], ["cat-2", "cat-1"], None):
        with pytest.raises(CatchmentError, match=r"two catchments would be called (cat-2|cat-1|3)"):
            engine.add(make_attributes(2), ids=ids)
    assert engine.ids == ("cat-1", "3")
    (last,) = engine.add(make_attributes(1), ids=["cat-2"])
    engine.withdraw(last)
    engine.add(make_attributes(1), ids=["cat-2"])
    assert "cat-2" in engine


def test_withdrawn_handles_refuse() -> None:
    """A handle of a withdrawn catchment is of no use, also when another catchment of that name has its row."""
    engine = Engine(make_model("Hbv_2"))
    first, gone = engine.add(make_attributes(2))
    with pytest.raises(CatchmentError, match="was not added last"):
        engine.withdraw(first)
    engine.withdraw(gone)
    uses = (
        lambda: gone.id,
        lambda: gone.step(1.0, 1.0, 1.0),
        lambda: read_state(gone, "soil_moisture"),
        lambda: set_state(gone, "soil_moisture", np.ones(2)),
        lambda: engine.withdraw(gone),
    )
    for _ in range(2):
        for use in uses:
            with pytest.raises(CatchmentError, match="row 1 was withdrawn"):
                use()
        if len(engine) == 1:
            (again,) = engine.add(make_attributes(1), ids=["1"])
    assert again.id == "1"
    assert again.step(5.0, 1.0, 1.0)["streamflow"] >= 0.0
