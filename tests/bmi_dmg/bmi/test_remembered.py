"""What states remember of a catchment, and what waits for those that lag behind."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from bmi_dmg import BmiDeltaModel
from bmi_dmg.bmi.restart import Checkpoints
from bmi_dmg.variables import RUNOFF_DEPTH
from dmg_core.engine.identity import Identity
from dmg_core.errors import ConfigError, StateError

MakeBmi = Callable[..., BmiDeltaModel]


def saved(model: BmiDeltaModel) -> np.ndarray:
    """State of a model as ngen takes it."""
    model.set_value("serialization_create", np.zeros(1, "uint64"))
    return np.array(model.get_value_ptr("serialization_state"))


CHANGES = {
    "attribute": ({"aridity": 9.5}, "aridity was .*, is 9.5"),
    "latitude": ({"latitude": -33.0}, "latitude was 40.6, is -33"),
}


@pytest.mark.parametrize("way", ["serialization_state", "ngen::serialization_state", "initial_state"])
@pytest.mark.parametrize(("change", "told"), CHANGES.values(), ids=CHANGES)
def test_a_state_of_another_catchment_is_refused_or_told(
    make_bmi: MakeBmi,
    drive: Callable,
    weather_of: Callable,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    way: str,
    change: dict[str, float],
    told: str,
) -> None:
    """Other attributes and another latitude are refused by name with both values on every way, and are a warning where accepted."""
    model = make_bmi(checkpoint={"path": str(tmp_path), "every": 24})
    drive(model, weather_of(24))
    payload, (file,) = saved(model), tmp_path.glob("state_*.safetensors")

    def start(**more: object) -> BmiDeltaModel:
        if way == "initial_state":
            return make_bmi(initial_state=str(file), **change, **more)
        started = make_bmi(**change, **more)
        started.set_value(way, payload)
        return started

    with pytest.raises(StateError, match=rf"state of .* was written for other attributes: {told}; .*accept_changes: true"):
        start()
    caplog.clear()
    start(accept_changes=True)
    assert "was written for other attributes" in caplog.text


def test_other_model_params_are_told_once(
    make_bmi: MakeBmi, drive: Callable, weather_of: Callable, caplog: pytest.LogCaptureFixture
) -> None:
    """A parameter that was set when a state was written, and is not any more, is told with the first step of the model."""
    calibrated, plain = make_bmi(), make_bmi()
    calibrated.set_value("multiplier::parFC", np.array([1.2345]))
    drive(calibrated, weather_of(24))
    plain.set_value("serialization_state", saved(calibrated))
    with caplog.at_level(logging.WARNING):
        drive(plain, weather_of(48))
    assert caplog.text.count("parFC was the network's × 1.2345, is the network's") == 1


@pytest.mark.parametrize("name", ["parXYZ", "parfc", "multiplier::X", "multiplier::parF", "state::X", "state::soil_moistur"])
def test_names_that_are_none_are_refused(make_bmi: MakeBmi, name: str) -> None:
    """A parameter, multiplier or part of the state that the model does not have cannot be set, and the nearest or all are named."""
    with pytest.raises(ConfigError, match=f"unknown variable '{name}'; .*of this model are "):
        make_bmi().set_value(name, np.array([1.0]))


def test_near_misses_are_named(make_bmi: MakeBmi) -> None:
    """What was meant is named."""
    for name, meant in (("parfc", "parFC"), ("multiplier::parF", "multiplier::parFC"), ("state::soil_moistur", "state::soil_moisture")):
        with pytest.raises(ConfigError, match=f"did you mean '{meant}'"):
            make_bmi().set_value(name, np.array([1.0]))
    for name in ("parent_id", "rain", "partition", "bmi::state"):
        make_bmi().set_value(name, np.array([1.0]))


IDENTITY = Identity({}, "")


def test_what_waits_is_bounded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One catchment that stands still does not make states of the others pile up; the newest are written when it has caught up."""
    writer, start = Checkpoints(tmp_path, 1, 2, {}), datetime(2000, 1, 1)
    state = {"h": np.zeros(3)}
    for name in ("still", "one", "other"):
        writer.join(name)
    for hour in range(50):
        for name in ("one", "other"):
            writer.arrive(IDENTITY, name, start + timedelta(hours=hour), state)
    assert sum(map(len, writer._arrived.values())) == 4
    assert len([record for record in caplog.records if "1 of 3 catchments lag behind (still)" in record.getMessage()]) == 1
    for hour in range(50):
        writer.arrive(IDENTITY, "still", start + timedelta(hours=hour), state)
    assert sorted(file.name for file in tmp_path.iterdir()) == [f"state_20000103T{hour:02d}.safetensors" for hour in (0, 1)]
    assert not writer._arrived


@pytest.mark.parametrize("physics", ["Hbv_2", "Hbv_2_hourly"])
def test_objects_in_threads(make_bmi: MakeBmi, drive: Callable, weather_of: Callable, tmp_path: Path, physics: str) -> None:
    """Objects that share an engine, made and stepped each in a thread of its own, give what they give one after the other."""
    count, barrier = 4, threading.Barrier(4)
    weathers = [weather_of(72, seed) for seed in range(count)]
    names = [f"cat-{number}" for number in range(count)]

    def run(number: int) -> np.ndarray:
        barrier.wait()
        model = make_bmi(physics=physics, catchment_id=names[number], checkpoint={"path": str(tmp_path), "every": 24})
        flows = drive(model, weathers[number])[RUNOFF_DEPTH]
        saved(model)
        return np.array(flows)

    with ThreadPoolExecutor(count) as pool:
        found = list(pool.map(run, range(count)))
    for number, flows in enumerate(found):
        np.testing.assert_array_equal(flows, drive(make_bmi(physics=physics, catchment_id=names[number]), weathers[number])[RUNOFF_DEPTH])


def test_a_device_that_is_not_there(make_bmi: MakeBmi) -> None:
    """A device that this machine does not have is an error that names file, key and device."""
    with pytest.raises(ConfigError, match=r"\.yml: device 'cuda:97' cannot be used here .*set device: cpu"):
        make_bmi(device="cuda:97")
