"""Tests of dmg_core.multi_timescale.engine: stepped hour by hour, re-anchored now and then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmg_core import Catchment, Engine
from dmg_core.engine.state_access import read_state
from dmg_core.errors import AttributeTableError, ConfigError, StateError
from dmg_core.multi_timescale import Coupling, MultiTimescaleEngine, MultiTimescaleModel
from tests.dmg_core.factories import FloatArray, make_weather, subset
from tests.dmg_core.multi_timescale.factories import HOURLY, RANGES, days_of, make_attributes, make_model, mts_case
from tests.dmg_core.strategies import cuttings

#: With the short windows of the factory (3 days, 48 hours): anchored at 120, 168, 216 … hours.
WINDOWS: dict[str, Any] = {"days": 3, "hours": 48}
PERIODIC = Coupling(cycle_days=2)
HOURS = 250
FIRST = 120

#: Every way of coupling, with the hour of the first anchor.
COUPLINGS = [
    (PERIODIC, 120),
    (Coupling(cycle_days=2, daily_mode="once"), 120),
    (Coupling(cycle_days=2, daily_mode="cold"), 48),
    (Coupling(cycle_days=2, daily_mode="continuous"), 120),
    (Coupling(cycle_days=3, hourly_mode="cold"), 72),
    (Coupling(cycle_days=1, daily_mode="once", hourly_mode="cold"), 72),
    (Coupling(cycle_days=2, daily_mode="cold", hourly_mode="cold"), 0),
    (Coupling(cycle_days=2, daily_warmup_days=2, hourly_warmup_hours=72, lead_in="zero"), 120),
]


def hourly_weather(hours: int, catchments: int, seed: int = 0) -> FloatArray:
    """Weather (T, B, 3) by the hour: mm, °C, mm."""
    return make_weather(hours, catchments, seed) / (4.0, 1.0, 24.0)


def engine_of(
    model: MultiTimescaleModel,
    attributes: dict[str, FloatArray],
    coupling: Coupling = PERIODIC,
    backend: str = "compiled",
    threads: int = 1,
) -> MultiTimescaleEngine:
    """Build an engine with some catchments."""
    engine = MultiTimescaleEngine(model, coupling, backend=backend, threads=threads)
    engine.add(attributes)
    return engine


def parameters_of(engine: Engine) -> dict[str, float]:
    """Parameters, by symbol, of the first component of the first catchment in the last step."""
    symbols = [parameter.symbol for parameter in engine.model.physics.process.parameters]
    return dict(zip(symbols, engine.arrays.parameters[0, 0].tolist(), strict=True))


@torch.no_grad()
def truth(model: MultiTimescaleModel, weather: FloatArray, attributes: dict[str, FloatArray], coupling: Coupling) -> dict[str, FloatArray]:
    """What the torch form gives: anchor after anchor by the definition of the modes, hours before the first one from nothing."""
    hours, days = torch.from_numpy(weather), torch.from_numpy(days_of(weather[: len(weather) // 24 * 24]))
    table = torch.from_numpy(np.stack([attributes[name] for name in model.settings.daily.attributes], axis=1))
    area = torch.from_numpy(attributes["uparea"])
    coupling = coupling.with_windows(model.settings.days, model.settings.hours)
    lag, window, count = coupling.hours, coupling.days, weather.shape[1]
    nothing = model.hourly.lstm.initial_state(count), model.hourly.physics.initial_state(count, hours)
    outputs, _, _ = model.hourly.go_on(hours, table, *nothing, upstream_area=area)
    result = {name: values.numpy().copy() for name, values in outputs.items()}
    if coupling.lead_in == "zero":
        for values in result.values():
            values[: coupling.first] = 0.0
    anchors = [coupling.first] if coupling.daily_mode == "continuous" else range(coupling.first, len(hours), 24 * coupling.cycle_days)
    for anchor in anchors:
        end = (anchor - lag) // 24
        begin = end - window if coupling.daily_mode == "periodic" else 0
        network, state = model.daily.lstm.initial_state(count), model.daily.physics.initial_state(count, hours)
        if end > begin:
            _, state, network = model.daily.go_on(days[begin:end], table, network, state, upstream_area=area)
        start = model.network.transfer(network), model.first_hourly_state(state)
        outputs, _, _ = model.hourly.go_on(hours[anchor - lag :], table, *start, upstream_area=area)
        for name, values in outputs.items():
            result[name][anchor:] = values[lag:].numpy()
    return result


def test_engine_equals_the_public_implementation(shared: Path, backend: str) -> None:
    """From the first anchor on, stepping gives what the public BMI reports, hour by hour and in volume."""
    case = mts_case(shared)
    engine = MultiTimescaleEngine.of_folder(case.folder, Coupling(lead_in="zero"), backend=backend)
    engine.add({name: [value] for name, value in case.attributes.items()})
    flow = engine.run(case.hours, ["streamflow"])["streamflow"][:, 0]
    np.testing.assert_allclose(flow[8592:], case.flow[8592:], rtol=1e-5, atol=0.0)
    assert not flow[:8592].any()
    assert flow.sum() / case.flow.sum() == pytest.approx(1.0, abs=5e-6)


@pytest.mark.parametrize("parts", [{}, {"use_transfer": False}, {"use_in_proj": False}, {"nmul": 3, "hidden": (3, 7)}])
@pytest.mark.parametrize("physics", HOURLY)
def test_engine_equals_the_model(physics: str, parts: dict[str, Any], backend: str) -> None:
    """All outputs of all hours equal the torch form's, for each combination of parts and any number of components."""
    model = make_model(physics, **WINDOWS, **parts)
    attributes, weather = make_attributes(4), hourly_weather(HOURS, 4)
    found = engine_of(model, attributes, backend=backend).run(weather)
    for name, expected in truth(model, weather, attributes, PERIODIC).items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-9, atol=1e-11, err_msg=name)


@pytest.mark.parametrize(("coupling", "first"), COUPLINGS)
def test_modes_are_what_they_say(coupling: Coupling, first: int) -> None:
    """Each mode equals its definition, run anew for each anchor; the first anchor is where the windows put it."""
    model = make_model(**WINDOWS)
    attributes, weather = make_attributes(3), hourly_weather(HOURS, 3)
    engine = engine_of(model, attributes, coupling)
    assert engine.coupling.first == first
    found = engine.run(weather)
    for name, expected in truth(model, weather, attributes, coupling).items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-9, atol=1e-11, err_msg=name)


def test_continuous_mode_does_not_jump_after_it_is_anchored() -> None:
    """In continuous mode water is put into the stores once, at the first anchor; periodic mode does so at every anchor."""
    attributes, weather = make_attributes(2), hourly_weather(HOURS, 2)
    for mode, jumps in (("continuous", False), ("periodic", True)):
        engine = engine_of(make_model(**WINDOWS), attributes, Coupling(cycle_days=2, daily_mode=mode))
        engine.run(weather[: FIRST + 1])
        before = engine.reanchored(slice(0, 2))
        assert (before != 0.0).all()
        engine.run(weather[FIRST + 1 :])
        assert (engine.reanchored(slice(0, 2)) != before).all() == jumps


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("coupling", [coupling for coupling, _ in COUPLINGS])
@given(cuts=cuttings(HOURS), threads=st.sampled_from([1, 2]))
@settings(max_examples=4)
def test_cutting_anywhere_changes_nothing(coupling: Coupling, dtype: str, cuts: list[slice], threads: int) -> None:
    """A series cut anywhere, into hours or long runs, gives the bits of the uncut one: outputs, state and budget."""
    model = make_model(dtype=dtype, **WINDOWS)
    attributes, weather = make_attributes(9), hourly_weather(HOURS, 9)
    whole = engine_of(model, attributes, coupling)
    expected = whole.run(weather)
    pieces = engine_of(model, attributes, coupling, threads=threads)
    found = [pieces.run(weather[cut]) for cut in cuts]
    for name in whole.outputs:
        assert np.array_equal(np.concatenate([piece[name] for piece in found]), expected[name]), name
    rows = slice(0, 9)
    assert all(np.array_equal(array, whole.capture(rows)[name]) for name, array in pieces.capture(rows).items())


def test_catchments_stepped_one_by_one_equal_those_stepped_together() -> None:
    """In the framework's order, catchment after catchment, each hour gives the bits of a run of all, though all are anchored together."""
    model = make_model(dtype="float32", **WINDOWS)
    attributes, weather = make_attributes(10), hourly_weather(HOURS, 10)
    expected = engine_of(model, attributes).run(weather)["streamflow"]
    engine = engine_of(model, attributes)
    found = np.array([[engine.advance(row, *weather[t, row])[0] for row in range(10)] for t in range(HOURS)])
    assert np.array_equal(found, expected)


def test_what_is_seen_of_a_catchment_does_not_depend_on_the_others() -> None:
    """At the end of a day a catchment is looked at as re-anchored, whether another one has begun the next day or not."""
    model, weather = make_model(**WINDOWS), hourly_weather(FIRST + 1, 2)
    alone, among = engine_of(model, make_attributes(2)), engine_of(model, make_attributes(2))
    for engine in (alone, among):
        engine.run(weather[:FIRST])
    among.advance(0, *weather[FIRST, 0])
    other = slice(1, 2)
    assert np.array_equal(read_state(Catchment(alone, 1), "soil_moisture"), read_state(Catchment(among, 1), "soil_moisture"))
    assert all(np.array_equal(array, among.capture(other)[name]) for name, array in alone.capture(other).items())
    assert alone.budget()["reanchoring"][1] == among.budget()["reanchoring"][1] != 0.0


def test_catchments_may_stand_at_different_hours() -> None:
    """Catchments that have seen different numbers of hours are advanced together, each by its own calendar."""
    model = make_model(**WINDOWS)
    attributes, weather = make_attributes(5), hourly_weather(HOURS, 5)
    ahead = [0, 130, 130, 7, 0]
    engine = engine_of(model, attributes)
    for row, hours in enumerate(ahead):
        engine.run_rows(slice(row, row + 1), weather[:hours, row : row + 1])
    found = engine.run(np.stack([weather[hours : hours + 100, row] for row, hours in enumerate(ahead)], axis=1))["streamflow"]
    for row, hours in enumerate(ahead):
        alone = engine_of(model, subset(attributes, [row])).run(weather[:, row : row + 1])["streamflow"]
        assert np.array_equal(found[:, row], alone[hours : hours + 100, 0])


@pytest.mark.parametrize("coupling", [coupling for coupling, _ in COUPLINGS])
@pytest.mark.parametrize("hours", [1, 100, 120, 121, 143, 168, 200])
def test_restart_in_the_middle_of_a_cycle_is_bitwise(coupling: Coupling, hours: int, backend: str) -> None:
    """A state taken at any hour, before, at and after an anchor, and put into a new engine goes on with the same bits."""
    model = make_model(dtype="float32", **WINDOWS)
    attributes, weather = make_attributes(3), hourly_weather(HOURS, 3)
    engine = engine_of(model, attributes, coupling, backend)
    engine.run(weather[:hours])
    state = engine.capture(slice(0, 3))
    expected = engine.run(weather[hours:])
    fresh = engine_of(model, attributes, coupling, backend)
    for row in range(3):
        fresh.restore(row, {name: array[row] for name, array in state.items()}, "here")
    found = fresh.run(weather[hours:])
    assert all(np.array_equal(found[name], expected[name]) for name in engine.outputs)
    assert all(np.array_equal(array, engine.budget()[name]) for name, array in fresh.budget().items())


@pytest.mark.parametrize("physics", HOURLY)
@pytest.mark.parametrize("coupling", [coupling for coupling, _ in COUPLINGS])
def test_water_budget_closes(coupling: Coupling, physics: str) -> None:
    """Precipitation is that of the weather, jumps are a term of their own, and what is left is rounding."""
    attributes, weather = make_attributes(6), hourly_weather(HOURS, 6)
    engine = engine_of(make_model(physics, nmul=2, **WINDOWS), attributes, coupling)
    engine.run(weather[:30])
    engine.run(weather[30:])
    budget = engine.budget()
    np.testing.assert_allclose(budget["precipitation"], weather[..., 0].sum(0), rtol=1e-12)
    np.testing.assert_allclose(budget["residual"], 0.0, atol=1e-9 * weather[..., 0].sum())
    if coupling.first:
        assert (np.abs(budget["reanchoring"]) > 1e-3).all()
    engine.reset_budget()
    assert not engine.budget()["reanchoring"].any()


def test_windows_hold_what_re_anchoring_needs_and_no_more() -> None:
    """The published windows take 351 days and 8 days of hours; modes whose daily model goes on by itself keep no days."""
    model = make_model(days=351, hours=168, dtype="float32")
    for mode, days in (("periodic", 351), ("once", 0), ("continuous", 0), ("cold", 0)):
        engine = engine_of(model, make_attributes(1), Coupling(daily_mode=mode))
        assert engine.windows.day_window.shape == (1, days, 3)
        assert engine.windows.hour_window.shape == (1, 192, 3)
        size = sum(array.nbytes for array in engine.capture(slice(0, 1)).values())
        assert size < (7_500 if days else 3_500)


def test_state_of_another_coupling_is_refused() -> None:
    """States belong to modes and windows, too: what differs is named."""
    model, attributes = make_model(**WINDOWS), make_attributes(1)
    one, other = engine_of(model, attributes), engine_of(model, attributes, Coupling(cycle_days=3, daily_mode="once"))
    with pytest.raises(StateError, match=r"cycle_days is 3, expected 2; daily_mode is 'once', expected 'periodic'"):
        one.identity.require(other.identity, "here")
    assert one.identity == engine_of(model, attributes, Coupling(cycle_days=2, lead_in="zero")).identity
    another = make_model(seed=1, **WINDOWS)
    with pytest.raises(StateError, match="its weights or statistics are others"):
        one.identity.require(engine_of(another, attributes).identity, "here")


def test_transfer_layers_belong_to_the_identity() -> None:
    """Models that differ in a transfer layer alone are two models."""
    model = make_model(**WINDOWS)
    before = engine_of(model, make_attributes(1)).identity
    with torch.no_grad():
        dict(model.named_parameters())["network.h_transfer.bias"].add_(1.0)
    assert engine_of(model, make_attributes(1)).identity != before


def test_attributes_of_all_networks_are_needed() -> None:
    """The routing network's attributes are asked for, too; nothing is added when one is missing."""
    engine = MultiTimescaleEngine(make_model(**WINDOWS), PERIODIC)
    assert set(engine.attribute_names) == set(RANGES)
    attributes = make_attributes(2)
    del attributes["catchsize"], attributes["lengthkm"]
    with pytest.raises(AttributeTableError, match="attributes are missing: catchsize, lengthkm"):
        engine.add(attributes)
    assert (len(engine), len(engine.daily)) == (0, 0)


def test_withdrawn_catchment_leaves_nothing_behind() -> None:
    """The one that takes the place of a withdrawn catchment starts from nothing."""
    model, attributes, weather = make_model(**WINDOWS), make_attributes(1), hourly_weather(HOURS, 1)
    engine = MultiTimescaleEngine(model, PERIODIC)
    (first,) = engine.add(make_attributes(1, seed=5))
    engine.calibration.set_value(engine.arrays, 0, "parFC", 300.0)
    engine.run(weather[:130])
    engine.withdraw(first)
    engine.add(attributes)
    assert np.array_equal(engine.run(weather)["streamflow"], engine_of(model, attributes).run(weather)["streamflow"])


def test_calibration_sets_what_both_models_have() -> None:
    """A parameter is set in both models, static or not; one that the hourly model alone has, in that one."""
    engine = engine_of(make_model(**WINDOWS), make_attributes(1))
    for name, value in (("parFC", 300.0), ("parBETA", 2.5), ("parF0", 500.0)):
        engine.calibration.set_value(engine.arrays, 0, name, value)
    engine.run(hourly_weather(HOURS, 1))
    for one in (engine, engine.daily):
        parameters = parameters_of(one)
        assert (parameters["FC"], parameters["BETA"]) == (300.0, 2.5)
    assert parameters_of(engine)["F0"] == 500.0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"daily_mode": "always"}, "daily_mode is 'always', expected one of periodic, once, cold, continuous"),
        ({"hourly_mode": "once"}, "hourly_mode is 'once', expected one of periodic, cold"),
        ({"lead_in": "skip"}, "lead_in is 'skip', expected one of simulate, zero"),
        ({"cycle_days": 0}, "cycle_days is 0, expected a whole number from 1"),
        ({"cycle_days": 2.5}, "cycle_days is 2.5, expected a whole number from 1: a day is the least that divides a cycle"),
        ({"daily_warmup_days": "many"}, "daily_warmup_days is 'many', expected a whole number from 1"),
        ({"hourly_warmup_hours": 100}, "hourly_warmup_hours is 100, expected whole days, .*: 96 or 120"),
        ({"hourly_warmup_hours": 5}, "hourly_warmup_hours is 5, expected whole days, .*: 24"),
        ({"hourly_warmup_hours": True}, "hourly_warmup_hours is True, expected a whole number from 1"),
    ],
)
def test_impossible_couplings_are_refused(values: dict[str, Any], message: str) -> None:
    """Modes that do not exist, windows that are no whole days and cycles that no day divides are refused with what would be right."""
    with pytest.raises(ConfigError, match=message):
        Coupling(**values)
