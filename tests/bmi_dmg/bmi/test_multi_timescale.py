"""Tests of the multi-timescale model behind the BMI."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from bmi_dmg import BmiDeltaModel
from bmi_dmg.bmi.mass_balance import BUDGET
from bmi_dmg.bmi.restart import states_of
from bmi_dmg.variables import RUNOFF_DEPTH
from dmg_core.errors import ConfigError
from tests.bmi_dmg.conftest import MTS
from tests.dmg_core.multi_timescale.factories import MtsCase, mts_case

Drive = Callable[..., dict[str, np.ndarray]]
WARMUP = {"cycle_days": 1}


def published(case: MtsCase, folder: Path, **changes: Any) -> BmiDeltaModel:
    """Start the published catchment with its own configuration, changed or not."""
    config = yaml.safe_load(case.config.read_text(encoding="utf-8")) | {"model_dir": str(case.folder)} | changes
    file = folder / case.config.name
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    model = BmiDeltaModel()
    model.initialize(str(file))
    return model


def flow_of(model: BmiDeltaModel, case: MtsCase, hours: slice, drive: Drive) -> np.ndarray:
    """Flow of some hours, mm/h."""
    weather = dict(zip(model.get_input_var_names(), case.inputs[hours].T, strict=True))
    return 1000.0 * drive(model, weather)[RUNOFF_DEPTH]


def test_published_catchment_runs_as_published(shared: Path, tmp_path: Path, drive: Drive) -> None:
    """NGIAB's configuration, unchanged, gives the public BMI's flow from the first anchor on, hour by hour and in volume."""
    case = mts_case(shared)
    flow = flow_of(published(case, tmp_path), case, slice(None), drive)
    np.testing.assert_allclose(flow[8592:], case.flow[8592:], rtol=1e-5, atol=0.0)
    assert flow[8592:].sum() / case.flow[8592:].sum() == pytest.approx(1.0, abs=5e-6)
    assert (flow[:8592] > 0.0).all()


def test_lead_in_of_zeros_is_as_published(shared: Path, tmp_path: Path, drive: Drive) -> None:
    """With lead_in: zero, every hour is what the public BMI reports, the zeros before the first anchor included; the budget closes."""
    case = mts_case(shared)
    model = published(case, tmp_path, lead_in="zero")
    flow = flow_of(model, case, slice(None), drive)
    np.testing.assert_allclose(flow, case.flow, rtol=1e-5, atol=0.0)
    rain = case.inputs[:, 0].sum()
    assert model.get_value_ptr(BUDGET + "precipitation")[0] == pytest.approx(rain, rel=1e-12)
    assert model.get_value_ptr(BUDGET + "leaked")[0] == pytest.approx(case.inputs[:8592, 0].sum(), abs=1.0)


def test_a_run_from_a_warm_state_has_no_lead_in(shared: Path, tmp_path: Path, drive: Drive) -> None:
    """From a state with full windows the first hour reported is the public BMI's, with the bits of the run that wrote the state."""
    case = mts_case(shared)
    model = published(case, tmp_path)
    flow_of(model, case, slice(0, 8700), drive)
    stepper = model.stepper
    start = stepper.time
    states = states_of(stepper.catchment.engine.identity, {"cat-88306": (start, stepper.capture())})
    states.write(tmp_path / "warm.safetensors")
    expected = flow_of(model, case, slice(8700, None), drive)
    warm = published(
        case, tmp_path, initial_state=str(tmp_path / "warm.safetensors"), start_time=str(start), start_date=None, start_hour=None
    )
    found = flow_of(warm, case, slice(8700, None), drive)
    assert np.array_equal(found, expected)
    np.testing.assert_allclose(found, case.flow[8700:], rtol=1e-5, atol=0.0)


@pytest.mark.parametrize("daily_mode", ["periodic", "once", "cold", "continuous"])
@pytest.mark.parametrize("lead_in", ["simulate", "zero"])
def test_water_is_accounted_for(
    daily_mode: str, lead_in: str, make_bmi: Callable[..., BmiDeltaModel], weather_of: Callable[..., Any], drive: Drive
) -> None:
    """Ngen's four terms close at every hour, and the jumps of re-anchoring are a term of the budget."""
    model = make_bmi(physics=MTS, warmup={**WARMUP, "daily_mode": daily_mode}, lead_in=lead_in)
    weather = weather_of(200)
    for hour in range(200):
        drive(model, weather, hours=slice(hour, hour + 1))
        gained, *others = (model.get_value_ptr(f"ngen::mass_{term}")[0] for term in ("in", "out", "stored", "leaked"))
        assert gained - sum(others) == pytest.approx(0.0, abs=1e-12)
    assert abs(model.get_value_ptr(BUDGET + "reanchoring")[0]) > 1e-3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"catchsize": None, "lengthkm": None}, r"cat-7\.yml: catchment cat-7 lacks the attributes catchsize, lengthkm"),
        ({"time_step": "1 day"}, r"time_step is '1 day', but .* holds Hbv_2_hourly, a model of '1 hour'"),
        ({"pet_method": "hargreaves"}, r"pet_method 'hargreaves' is daily; the hourly model Hbv_2_hourly needs 'penman_monteith'"),
        ({"warmup": {"cycle_day": 7}}, r"unknown key 'warmup\.cycle_day'; did you mean 'cycle_days'\?"),
        ({"warmup": "periodic"}, r"cat-7\.yml: warmup is 'periodic', expected keys and values"),
        ({"warmup": {"cycle_days": 1.5}}, r"warmup\.cycle_days is 1\.5, expected a whole number from 1: a day is the least"),
        ({"warmup": {"daily_warmup_days": 0}}, r"warmup\.daily_warmup_days is 0, expected a whole number from 1"),
        ({"warmup": {"hourly_warmup_hours": 170}}, r"warmup\.hourly_warmup_hours is 170, expected whole days, .*: 168 or 192"),
        ({"warmup": {"daily_mode": "always"}}, r"warmup\.daily_mode is 'always', expected one of periodic, once, cold, continuous"),
        ({"lead_in": "zeros"}, r"lead_in is 'zeros', expected one of simulate, zero; did you mean 'zero'\?"),
    ],
)
def test_configurations_that_do_not_fit_are_refused(changes: dict[str, Any], message: str, write_config: Callable[..., Path]) -> None:
    """What is missing or impossible is named with its file and key, and nothing is left behind."""
    with pytest.raises(ConfigError, match=message):
        BmiDeltaModel().initialize(str(write_config(physics=MTS, **changes)))


def test_a_daily_model_under_an_hourly_configuration_is_refused(make_model: Callable[..., Path], write_config: Callable[..., Path]) -> None:
    """A configuration of the hourly model that names the folder of a daily one says which it is."""
    with pytest.raises(ConfigError, match=r"time_step is '1 hour', but .* holds Hbv_2, a model of '1 day'"):
        BmiDeltaModel().initialize(str(write_config(physics=MTS, model_dir=str(make_model("Hbv_2")), warmup=WARMUP)))


def test_catchments_of_one_coupling_share_an_engine(make_bmi: Callable[..., BmiDeltaModel]) -> None:
    """Objects with the same folder and warm-up are rows of one engine; another warm-up is another engine."""
    one, two = (make_bmi(physics=MTS, catchment_id=name, warmup=WARMUP) for name in ("cat-1", "cat-2"))
    other = make_bmi(physics=MTS, warmup={"cycle_days": 2})
    assert one.stepper.catchment.engine is two.stepper.catchment.engine
    assert other.stepper.catchment.engine is not one.stepper.catchment.engine
