"""Tests of dmg_core.engine.backends: the compiled form equals the one for tensors, and a catchment does not notice the others."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmg_core import Catchment, DeltaModel, Engine
from tests.dmg_core.factories import FAMILY, FloatArray, make_attributes, make_engine, make_model, make_weather, subset
from tests.dmg_core.strategies import cuttings, models, seeds, weather

Series = dict[str, FloatArray]

#: More catchments than compiled code advances together.
MANY = 25

#: Agreement of different ways to cut a series, relative to the water there is. Compiled code gives the same bits. Torch adds up in another
#: order in batches of another size, so that parameters differ in their last digit.
CUTTING_TOLERANCE = {
    ("compiled", "float32"): 0.0,
    ("compiled", "float64"): 0.0,
    ("torch", "float32"): 1e-6,
    ("torch", "float64"): 1e-12,
}


def step_catchments(engine: Engine, piece: FloatArray, order: list[int]) -> Series:
    """Step every catchment by its handle, in this order in every step."""
    handles = [Catchment(engine, row) for row in range(len(engine))]
    results = {name: np.empty(piece.shape[:2]) for name in engine.outputs}
    for t, step in enumerate(piece):
        for row in order:
            for name, value in handles[row].step(*step[row]).items():
                results[name][t, row] = value
    return results


def step_together(engine: Engine, piece: FloatArray) -> Series:
    """Step all catchments at once."""
    steps = [engine.step(step) for step in piece]
    return {name: np.stack([step[name] for step in steps]) for name in engine.outputs}


def run_in_pieces(engine: Engine, series: FloatArray, pieces: list[tuple[slice, str]], order: list[int]) -> Series:
    """Advance through a series, each piece in its own way."""
    parts = []
    for cut, way in pieces:
        if way == "run":
            parts.append(engine.run(series[cut]))
        elif way == "step":
            parts.append(step_together(engine, series[cut]))
        else:
            parts.append(step_catchments(engine, series[cut], order))
    return {name: np.concatenate([part[name] for part in parts]) for name in engine.outputs}


def assert_equal(found: Series, expected: Series, tolerance: float, water: float = 1.0) -> None:
    """Compare all series; without tolerance their bits. ``water``, mm, is what small numbers may be the difference of."""
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=tolerance, atol=tolerance * water, err_msg=name)


@pytest.mark.parametrize(("backend", "dtype"), CUTTING_TOLERANCE)
@given(data=st.data())
@settings(max_examples=12)
def test_any_cutting_gives_the_same(backend: str, dtype: str, data: st.DataObject) -> None:
    """Steps of single catchments in any order, steps of all, and runs, in any mixture, are one run; budgets too."""
    steps, catchments = 8, data.draw(st.integers(1, 4))
    model = data.draw(models(dtype=dtype))
    attributes = make_attributes(catchments, data.draw(seeds))
    series = data.draw(weather(steps, catchments))
    pieces = [(cut, data.draw(st.sampled_from(["run", "step", "handles"]))) for cut in data.draw(cuttings(steps))]
    order = data.draw(st.permutations(range(catchments)))

    whole, cut = (make_engine(model, attributes, backend) for _ in range(2))
    expected = whole.run(series)
    tolerance, water = CUTTING_TOLERANCE[backend, dtype], 1.0 + series[..., 0].sum(0).max()
    assert_equal(run_in_pieces(cut, series, pieces, order), expected, tolerance, water)
    sums, found = whole.budget(), cut.budget()
    del sums["residual"], found["residual"]  # rounding alone
    assert_equal(found, sums, tolerance, water)


@given(data=st.data())
@settings(max_examples=20)
def test_compiled_catchments_do_not_notice_the_others(data: st.DataObject) -> None:
    """A catchment gets the same bits alone and among any others, in any row."""
    model = data.draw(models(dtype=data.draw(st.sampled_from(["float32", "float64"]))))
    catchments = data.draw(st.integers(2, MANY))
    attributes, series = make_attributes(catchments), make_weather(5, catchments, data.draw(seeds))
    expected = make_engine(model, attributes).run(series)
    rows = data.draw(st.lists(st.integers(0, catchments - 1), min_size=1, max_size=catchments, unique=True))
    found = make_engine(model, subset(attributes, rows)).run(series[:, rows])
    assert_equal(found, {name: values[:, rows] for name, values in expected.items()}, 0.0)


@pytest.mark.parametrize("physics", ["Hbv_2", "Hbv_2_hourly"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_catchments_added_one_by_one(physics: str, dtype: str) -> None:
    """Catchments added and stepped one by one get the same bits as those added at once."""
    model = make_model(physics, dtype=dtype)
    attributes, series = make_attributes(40), make_weather(3, 40)
    expected = make_engine(model, attributes).run(series)
    engine = Engine(model, backend="compiled")
    for row in range(40):
        (catchment,) = engine.add(subset(attributes, [row]))
        flows = [catchment.step(*step[row])["streamflow"] for step in series]
        assert flows == expected["streamflow"][:, row].tolist()


@pytest.mark.parametrize("physics", FAMILY)
@given(data=st.data())
@settings(max_examples=15)
def test_compiled_equals_torch(physics: str, data: st.DataObject) -> None:
    """In float64 both backends give the same series, stores and budgets in all weather, whatever the model."""
    model = data.draw(models(physics=physics))
    catchments = data.draw(st.integers(1, 3))
    attributes, series = make_attributes(catchments, data.draw(seeds)), data.draw(weather(8, catchments))
    compiled, tensors = (make_engine(model, attributes, backend) for backend in ("compiled", "torch"))
    assert_equal(compiled.run(series[:5]), tensors.run(series[:5]), 1e-9)
    assert_equal(step_together(compiled, series[5:]), step_together(tensors, series[5:]), 1e-9)
    found, expected = compiled.budget(), tensors.budget()
    assert_equal(found, expected, 1e-8)


@pytest.mark.parametrize("physics", FAMILY)
def test_engine_equals_the_model(physics: str) -> None:
    """A first run of an engine is the batch run the model was trained with."""
    model = make_model(physics)
    attributes, series = make_attributes(5), make_weather(40, 5)
    table = torch.from_numpy(np.stack([attributes[name] for name in model.settings.attributes], axis=1))
    with torch.no_grad():
        expected, _ = model(torch.from_numpy(series), table)
    for backend in ("compiled", "torch"):
        engine = Engine(model, backend=backend)
        engine.add(attributes)
        assert_equal(engine.run(series), {name: values.numpy() for name, values in expected.items()}, 1e-9)


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_do_not_change_a_bit(threads: int) -> None:
    """Several threads share the catchments of a run among them and give the same bits as one."""
    model = make_model("Hbv_2", dtype="float32")
    attributes, series = make_attributes(MANY), make_weather(6, MANY)
    alone, together = make_engine(model, attributes), make_engine(model, attributes, threads=threads)
    assert_equal(together.run(series), alone.run(series), 0.0)
    assert_equal(step_together(together, series), step_together(alone, series), 0.0)
    assert_equal(together.budget(), alone.budget(), 0.0)


def compare_selection(model: DeltaModel, backend: str) -> None:
    """Run with all outputs and with some."""
    attributes, series = make_attributes(3), make_weather(4, 3)
    everything = make_engine(model, attributes, backend).run(series)
    wanted = ("swe", "streamflow")
    some = make_engine(model, attributes, backend).run(series, outputs=wanted)
    assert tuple(some) == wanted
    assert_equal(some, {name: everything[name] for name in wanted}, 0.0)


@pytest.mark.parametrize("backend", ["compiled", "torch"])
def test_outputs_may_be_selected(backend: str) -> None:
    """Only the wanted outputs come back, in the wanted order, with the numbers they have among all."""
    compare_selection(make_model("Hbv_2"), backend)


@pytest.mark.parametrize("physics", FAMILY)
@pytest.mark.parametrize("backend", ["compiled", "torch"])
def test_models_without_routing(physics: str, backend: str) -> None:
    """Without routing, streamflow is the unrouted one, and no water is under way."""
    engine = make_engine(make_model(physics, routing=False), make_attributes(3), backend)
    outputs = engine.run(make_weather(10, 3))
    np.testing.assert_array_equal(outputs["streamflow"], outputs["unrouted_streamflow"])
    assert np.abs(engine.budget()["residual"]).max() < 1e-10
