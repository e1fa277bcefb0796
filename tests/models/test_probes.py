"""How the pretrained model answers made weather: what must hold by physics, and what is known not to (see the model's README.md)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from bmi_dmg import BmiDeltaModel
from bmi_dmg.pretrained import shipped_model
from bmi_dmg.variables import PRECIPITATION, RUNOFF_DEPTH, TEMPERATURE
from dmg_core import Engine
from tests.models.weather import CLIMATES, NAMES, YEAR, attributes, make_weather

Array = NDArray[np.float64]
Outputs = dict[str, Array]

P, T, PET = range(3)
SPIN_UP = 3 * YEAR
STORES = ("swe", "meltwater", "soil_moisture", "upper_zone", "lower_zone")


@lru_cache
def weather() -> Array:
    """Give thirteen years, the first three of which are spin-up."""
    return make_weather(13)


def run(forcing: Array, **changes: Array) -> Outputs:
    """Outputs after the spin-up, each (T, N), with some attributes changed."""
    engine = Engine.from_folder(shipped_model())
    engine.add({**attributes(), **changes}, ids=CLIMATES)
    return {name: values[SPIN_UP:] for name, values in engine.run(forcing).items()}


@lru_cache
def ten_years() -> Outputs:
    """Give the run that the others are compared with."""
    return run(weather())


def stored(outputs: Outputs) -> Array:
    """Water in all stores, mm (T, N)."""
    total: Array = sum((outputs[name] for name in STORES), start=np.zeros(()))
    return total


def with_storm(forcing: Array, day: int, depth: float) -> Array:
    """Add rain on a day after the spin-up."""
    changed = forcing.copy()
    changed[SPIN_UP + day, :, P] += depth
    return changed


def constant_weather(days: int, rain: float) -> Array:
    """Give the mean weather of each climate without seasons, after its spin-up: warm enough for rain."""
    after = np.broadcast_to(weather().mean(axis=0), (days, *weather().shape[1:])).copy()
    after[..., P] *= rain
    after[..., T] = np.maximum(after[..., T], 8.0)
    return np.concatenate([weather()[:SPIN_UP], after])


def test_closure() -> None:
    """Rain and exchange leave as evapotranspiration and flow, or are stored, routing included, to 1e-9 of the rain."""
    engine = Engine.from_folder(shipped_model())
    engine.add(attributes(), ids=CLIMATES)
    engine.run(weather())
    budget = engine.budget()
    assert (np.abs(budget["residual"]) < 1e-9 * budget["precipitation"]).all()
    assert (np.abs(budget["leaked"]) < 1e-3 * budget["precipitation"]).all()


def test_causality() -> None:
    """A storm changes nothing before it falls."""
    day = 4 * YEAR
    after = run(with_storm(weather(), day, 80.0))
    for name, values in ten_years().items():
        np.testing.assert_array_equal(after[name][:day], values[:day], err_msg=name)
    assert (after["streamflow"][day : day + 30] != ten_years()["streamflow"][day : day + 30]).any()


def test_dry_down() -> None:
    """Without rain, storage only falls, and so does flow once what is on its way has arrived."""
    outputs = run(constant_weather(400, rain=0.0))
    storage, flow = stored(outputs), outputs["streamflow"]
    gained = np.maximum(outputs["regional_exchange"][1:], 0.0)
    assert (np.diff(storage, axis=0) <= gained + 1e-9).all()
    without_snow = np.flatnonzero(outputs["swe"].max(axis=1) < 1e-3)[0] + 20
    assert (np.diff(flow[without_snow:], axis=0) <= 1e-3 * flow[without_snow:-1] + 1e-9).all()
    assert (flow[-1] < 0.5 * ten_years()["streamflow"].mean(axis=0)).all()


def test_steady_state() -> None:
    """Under constant weather flow settles, and then what falls and is exchanged is what leaves."""
    outputs = run(constant_weather(15 * YEAR, rain=1.0))
    last = slice(-YEAR, None)
    flow = outputs["streamflow"][last]
    assert (np.ptp(flow, axis=0) < 1e-3 * flow.mean(axis=0) + 1e-4).all()
    rain = constant_weather(1, rain=1.0)[-1, :, P]
    left = outputs["aet"][last] + flow - outputs["regional_exchange"][last]
    np.testing.assert_allclose(left.mean(axis=0), rain, rtol=0.01)


def test_runoff_bounds() -> None:
    """Over ten years flow is not negative, and not more than what has fallen, been exchanged and been stored before."""
    outputs = ten_years()
    assert outputs["streamflow"].min() >= 0.0
    fallen = weather()[SPIN_UP:, :, P].sum(axis=0) + outputs["regional_exchange"].sum(axis=0)
    assert (outputs["streamflow"].sum(axis=0) <= fallen + stored(outputs)[0]).all()


@pytest.mark.parametrize("depth", [5.0, 40.0])
@pytest.mark.parametrize("day", [100, 3 * YEAR + 200])
def test_response_non_negativity(day: int, depth: float) -> None:
    """More rain on a day does not give less flow over the following month."""
    more = run(with_storm(weather(), day, depth))["streamflow"][day : day + 30]
    assert (more.sum(axis=0) >= ten_years()["streamflow"][day : day + 30].sum(axis=0)).all()


def test_antecedent_monotonicity() -> None:
    """The same storm gives more flow after a wet month than after a dry one."""
    storm_at = 60
    dry = constant_weather(150, rain=0.0)
    wet = dry.copy()
    wet[SPIN_UP : SPIN_UP + storm_at, :, P] = 8.0
    responses = []
    for forcing in (dry, wet):
        with_it, without = (run(case)["streamflow"][storm_at:] for case in (with_storm(forcing, storm_at, 60.0), forcing))
        responses.append((with_it - without)[:20].sum(axis=0))
    assert (responses[1] > responses[0]).all()


def test_precipitation_counterfactual() -> None:
    """Wetter wet days give more flow and more evapotranspiration, drier ones less, in order; each takes its share of the change."""
    means: dict[str, list[Array]] = {"streamflow": [], "aet": []}
    for factor in (0.8, 0.9, 1.0, 1.1, 1.2):
        forcing = weather().copy()
        forcing[..., P] *= factor
        outputs = run(forcing)
        for name, values in means.items():
            values.append(outputs[name].mean(axis=0))
    for values in means.values():
        assert (np.diff(values, axis=0) > 0.0).all()
    changes = {name: values[-1] - values[0] for name, values in means.items()}
    share = changes["streamflow"] / (changes["streamflow"] + changes["aet"])
    assert ((share >= 0.03) & (share <= 0.97)).all()


def test_warming_response() -> None:
    """Three degrees more, with the evapotranspiration they bring, give more evapotranspiration and less snow."""
    forcing = weather().copy()
    forcing[..., T] += 3.0
    forcing[..., PET] *= 1.08
    warm, now = run(forcing), ten_years()
    assert (warm["aet"].mean(axis=0) > now["aet"].mean(axis=0)).all()
    snowy = now["swe"].mean(axis=0) > 1.0
    assert snowy.any()
    assert (warm["swe"].mean(axis=0)[snowy] < now["swe"].mean(axis=0)[snowy]).all()


def test_pet_consistency() -> None:
    """Evapotranspiration never exceeds the potential one, comes near it where it is wet, and stays below where it is dry."""
    outputs = ten_years()
    assert (outputs["aet"] <= outputs["pet"] + 1e-9).all()
    ratio = dict(zip(CLIMATES, (outputs["aet"].sum(axis=0) / outputs["pet"].sum(axis=0)).tolist(), strict=True))
    assert ratio["Texas"] < 0.6
    assert max(ratio["Puget"], ratio["Oregon"], ratio["Virginia"]) > 0.6


def test_routing_conservation() -> None:
    """Over ten years what is routed is what was to be routed, but for the last days' water on its way."""
    outputs = ten_years()
    difference = outputs["unrouted_streamflow"].sum(axis=0) - outputs["streamflow"].sum(axis=0)
    on_its_way = outputs["unrouted_streamflow"][-15:].sum(axis=0) + 15 * outputs["unrouted_streamflow"].max(axis=0)
    assert (np.abs(difference) <= on_its_way).all()
    assert (np.abs(difference) < 0.01 * outputs["streamflow"].sum(axis=0)).all()


@pytest.fixture
def step_hours(tmp_path: Path) -> Callable[[str, Array], Array]:
    """Give a function that steps the first catchment hour by hour from a date, with rain (h,) in mm/h, and gives its hourly flow in m."""

    def step(start: str, rain: Array) -> Array:
        values = {name: float(column[0]) for name, column in attributes().items()}
        config = {"catchment_id": "cat-1", "model_dir": str(shipped_model()), "pet_method": "hargreaves", "start_time": start, **values}
        file = tmp_path / f"{start[:4]}.yml"
        file.write_text(yaml.safe_dump(config))
        model = BmiDeltaModel()
        model.initialize(str(file))
        flow, place = np.empty(len(rain)), np.empty(1)
        for hour, falling in enumerate(rain):
            model.set_value(PRECIPITATION.name, np.array([falling]))
            model.set_value(TEMPERATURE.name, np.array([10.0 + 8.0 * np.sin(2.0 * np.pi * hour / 24.0)]))
            model.update()
            flow[hour] = model.get_value(RUNOFF_DEPTH, place)[0]
        model.finalize()
        return flow

    return step


def test_time_origin_invariance(step_hours: Callable[[str, Array], Array]) -> None:
    """The same weather 28 years later, when the calendar repeats itself, gives the same flow."""
    rain = np.random.default_rng(0).gamma(0.1, 4.0, 60 * 24)
    np.testing.assert_array_equal(step_hours("1990-03-01 00:00:00", rain), step_hours("2018-03-01 00:00:00", rain))


def test_resolution_invariance(step_hours: Callable[[str, Array], Array]) -> None:
    """A day's rain gives the same flow whether it falls in an hour or all day long."""
    spread = np.repeat(np.random.default_rng(0).gamma(0.3, 1.0, 60), 24)
    at_once = np.where(np.arange(len(spread)) % 24 == 6, 24.0 * spread, 0.0)
    even, sudden = step_hours("2018-03-01 00:00:00", spread), step_hours("2018-03-01 00:00:00", at_once)
    assert even.max() > 0.0
    np.testing.assert_allclose(sudden, even, rtol=1e-5)


def extreme_rain() -> Array:
    """Of the water that a second storm as large adds on the same day, what returns as flow within 60 days: at most all of it."""
    day = 3 * YEAR + 200
    single, double = (run(with_storm(weather(), day, depth))["streamflow"][day : day + 60].sum(axis=0) for depth in (100.0, 200.0))
    return (double - single) / 100.0


def test_extreme_rain() -> None:
    """A doubled storm returns at most what was added."""
    share = extreme_rain()
    assert (share <= 1.0).all()
    assert (share > 0.0).all()


def phase_counterfactual() -> Array:
    """Relative change of the volume of flow where all snow falls as rain, in snowy climates."""
    forcing = weather().copy()
    cold = (forcing[..., T] < 2.6) & (forcing[..., P] > 0.0)
    forcing[..., T] = np.where(cold, 4.5, forcing[..., T])
    snowy = ten_years()["swe"].mean(axis=0) > 5.0
    rain, snow = (outputs["streamflow"].sum(axis=0)[snowy] for outputs in (run(forcing), ten_years()))
    return rain / snow - 1.0


def test_phase_counterfactual() -> None:
    """Snow as rain moves flow in time and changes its volume by less than a fifth."""
    change = phase_counterfactual()
    assert len(change)
    assert (np.abs(change) < 0.2).all()


def area_invariance() -> Array:
    """Relative change of mean flow where upstream area is a tenth."""
    small = run(weather(), uparea=attributes()["uparea"] / 10.0)["streamflow"].mean(axis=0)
    return small / ten_years()["streamflow"].mean(axis=0) - 1.0


def test_depths_depend_on_the_area_through_the_regional_exchange() -> None:
    """δHBV 2.0 reads the upstream area, by design: depths do change with it."""
    assert np.abs(area_invariance()).max() > 0.01


def test_attributes_are_those_of_the_model() -> None:
    """The probes give the model what it takes."""
    assert Engine.from_folder(shipped_model()).attribute_names == NAMES
