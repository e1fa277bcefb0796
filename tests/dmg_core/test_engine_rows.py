"""Tests of dmg_core.engine: some of its catchments run through a series."""

from __future__ import annotations

import numpy as np
import pytest

from dmg_core import Engine
from dmg_core.errors import ForcingError, StateError
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
