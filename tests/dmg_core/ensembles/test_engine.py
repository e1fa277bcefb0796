"""Tests of the engine of ensembles, against its members run alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dmg_core import Engine
from dmg_core.checkpoint import members_of
from dmg_core.engine.state import States
from dmg_core.ensembles import EnsembleEngine
from dmg_core.errors import StateError
from dmg_core.sharing import open_engine
from tests.dmg_core.ensembles.factories import write_small_ensemble
from tests.dmg_core.factories import make_attributes, make_weather

STEPS, CATCHMENTS = 30, 3
WEIGHTS = (1.0, 2.0, 5.0)
ATTRIBUTES = {**make_attributes(CATCHMENTS), "forest": np.array([0.1, 0.9, 0.4])}
WEATHER, LEAD_IN = make_weather(STEPS, CATCHMENTS), make_weather(5, CATCHMENTS, seed=7)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give an ensemble with weights."""
    return write_small_ensemble(tmp_path_factory.mktemp("ensemble"), WEIGHTS)


def opened(folder: Path) -> EnsembleEngine:
    """Give an engine with catchments whose parameters are known."""
    engine = open_engine(folder, "float64")
    assert isinstance(engine, EnsembleEngine)
    engine.add(ATTRIBUTES)
    engine.settle_from_series(slice(0, CATCHMENTS), LEAD_IN)
    return engine


def flows(folder: Path, output: str = "streamflow") -> np.ndarray:
    """Run each member alone, (M, T, N)."""
    found = []
    for member, _ in members_of(folder):
        engine = Engine.from_folder(member, "float64")
        engine.add(ATTRIBUTES)
        if engine.model.static_from_series:
            engine.settle_from_series(slice(0, CATCHMENTS), LEAD_IN)
        found.append(engine.run(WEATHER, [output])[output])
    return np.stack(found)


def test_mean_and_spread_are_those_of_the_members(folder: Path) -> None:
    """Flow is the weighted mean of the members run alone, its deviation theirs; an output that not all have is none."""
    found, members = opened(folder).run(WEATHER), flows(folder)
    weights = np.array(WEIGHTS) / sum(WEIGHTS)
    mean = np.average(members, axis=0, weights=weights)
    np.testing.assert_allclose(found["streamflow"], mean, rtol=1e-13)
    variance = np.average((members - mean) ** 2, axis=0, weights=weights) / (1.0 - (weights**2).sum())
    np.testing.assert_allclose(found["streamflow__std"], np.sqrt(variance), rtol=1e-11)
    np.testing.assert_array_equal(found["pet"], WEATHER[..., 2])
    assert set(found) == {"streamflow", "streamflow__std", "pet"}


def test_members_of_one_kind_share_all_outputs(tmp_path: Path) -> None:
    """Without weights it is the plain mean and the deviation of a sample; stores are averaged, too."""
    from dmg_core.checkpoint import write_ensemble
    from tests.dmg_core.factories import write_model

    members = [write_model(tmp_path / name / "model", "Hbv_2", seed=seed) for seed, name in enumerate("abc")]
    ensemble = write_ensemble(tmp_path / "ensemble", members)
    assert ensemble.names == ("a", "b", "c")
    engine = open_engine(ensemble.folder, "float64")
    engine.add(ATTRIBUTES)
    found = engine.run(WEATHER)
    alone = flows(ensemble.folder)
    np.testing.assert_allclose(found["streamflow"], alone.mean(0), rtol=1e-13)
    np.testing.assert_allclose(found["streamflow__std"], alone.std(0, ddof=1), rtol=1e-10)
    np.testing.assert_allclose(found["swe"], flows(ensemble.folder, "swe").mean(0), rtol=1e-13)


def test_stepping_is_the_batch(folder: Path) -> None:
    """Any way of cutting a series into steps and runs, catchment by catchment or all together, gives the same bits."""
    expected, stepped = opened(folder).run(WEATHER), opened(folder)
    found = [stepped.step(step) for step in WEATHER[:7]]
    for row in range(CATCHMENTS):
        stepped.run_rows(slice(row, row + 1), WEATHER[7:12, row : row + 1])
    rest = stepped.run(WEATHER[12:-1], ["streamflow__std"])["streamflow__std"]
    one_by_one = np.array([stepped.advance(row, *WEATHER[-1, row]) for row in range(CATCHMENTS)])
    for name, values in expected.items():
        np.testing.assert_array_equal(np.stack([step[name] for step in found]), values[:7], err_msg=name)
        np.testing.assert_array_equal(one_by_one[:, stepped.outputs.index(name)], values[-1], err_msg=name)
    np.testing.assert_array_equal(rest, expected["streamflow__std"][12:-1])
    for name, last in stepped.last_of_members.items():
        flow = last[:CATCHMENTS, stepped.members[name].outputs.index("streamflow")]
        np.testing.assert_allclose(flow, flows(folder)[list(stepped.members).index(name), -1], rtol=1e-13)


def test_a_restart_goes_on_bitwise(folder: Path) -> None:
    """A state written to bytes and read by another engine goes on as if nothing had been, members' values and budgets included."""
    first, second = opened(folder), open_engine(folder, "float64")
    first.run(WEATHER[:11])
    state = States(first.identity, ("a", "b", "c"), ("",) * 3, first.capture(slice(0, 3)))
    second.add(ATTRIBUTES)
    read = States.from_bytes(state.to_bytes(), "here")
    second.identity.require(read.identity, "here")
    for row in range(CATCHMENTS):
        second.restore(row, {name: array[row] for name, array in read.arrays.items()}, "here")
    for name, values in first.last_of_members.items():
        np.testing.assert_array_equal(second.last_of_members[name], values)
    expected, found = first.run(WEATHER[11:]), second.run(WEATHER[11:])
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)
    for name, values in first.budget().items():
        np.testing.assert_array_equal(second.budget()[name], values, err_msg=name)


def test_a_state_that_does_not_fit_one_member_changes_none(folder: Path) -> None:
    """The member is named, and all members are as they were."""
    engine = opened(folder)
    engine.run(WEATHER[:3])
    state = {name: array[0].copy() for name, array in engine.capture(slice(0, 1)).items()}
    engine.run(WEATHER[3:6])
    before = engine.capture(slice(0, CATCHMENTS))
    with pytest.raises(StateError, match="here: member lstm: 'h' holds values that are not finite"):
        engine.restore(0, {**state, "lstm/h": state["lstm/h"] * np.nan}, "here")
    with pytest.raises(StateError, match="here: the state has no 'hbv-2/outputs'"):
        engine.restore(0, {name: array for name, array in state.items() if name != "hbv-2/outputs"}, "here")
    for name, array in engine.capture(slice(0, CATCHMENTS)).items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)


def test_the_balance_of_each_member_closes(folder: Path) -> None:
    """Each member that counts water has a balance of its own; one without process equations counts none."""
    engine = opened(folder)
    engine.run(WEATHER)
    budget = engine.budget()
    for name in ("hbv-2", "hbv.1.1p"):
        np.testing.assert_allclose(budget[f"{name}.precipitation"], WEATHER[..., 0].sum(0), rtol=1e-12)
        np.testing.assert_allclose(budget[f"{name}.residual"], 0.0, atol=1e-9)
    assert "lstm.precipitation" not in budget
    np.testing.assert_array_equal(budget["lstm.residual"], 0.0)
    engine.reset_budget()
    np.testing.assert_array_equal(engine.budget()["hbv-2.precipitation"], 0.0)


def test_the_catchment_added_last_can_be_withdrawn(folder: Path) -> None:
    """It is withdrawn from all members, and its row is that of a new catchment then."""
    engine = opened(folder)
    engine.run(WEATHER[:4])
    (more,) = engine.add({name: values[:1] for name, values in ATTRIBUTES.items()}, ["more"])
    engine.withdraw(more)
    assert {len(member) for member in engine.members.values()} == {len(engine)} == {CATCHMENTS}
    engine.run(WEATHER[4:])


def test_identity_tells_weights_and_members(folder: Path, tmp_path: Path) -> None:
    """States of an ensemble belong to no other weights, nor to a single member."""
    engine, other = opened(folder), open_engine(write_small_ensemble(tmp_path), "float64")
    with pytest.raises(StateError, match="weights is"):
        engine.identity.require(other.identity, "here")
    with pytest.raises(StateError, match="the state belongs to another model"):
        engine.identity.require(engine.members["lstm"].identity, "here")
