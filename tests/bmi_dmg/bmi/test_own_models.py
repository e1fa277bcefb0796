"""Tests of models of users' own behind the BMI: all that HBV does there follows from their declarations."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from bmi_dmg import BmiDeltaModel
from bmi_dmg.bmi.restart import states_of
from bmi_dmg.driver.fast import FastRun
from bmi_dmg.stepping.layout import layout_of
from bmi_dmg.variables import RUNOFF_DEPTH
from dmg_core import Engine
from dmg_core.errors import ConfigError, ForcingError
from dmg_core.models import Flux, Forcing
from dmg_core.physics import pet
from tests.bmi_dmg.own_models import ATTRIBUTES, MODELS, OwnModel, registered, write_own_model

START, HOURS = datetime(2001, 5, 3), 24 * 6
LATITUDE = 47.2
RAIN, WARMTH = "atmosphere_water__liquid_equivalent_precipitation_rate", "land_surface_air__temperature"
CANAL = "canal_water__depth"

Weather = dict[str, np.ndarray]


def make_weather(seed: int = 5, hours: int = HOURS) -> Weather:
    """Give hourly weather by the names of the BMI."""
    random = np.random.default_rng(seed)
    daily = 8.0 * np.sin(2.0 * np.pi * (np.arange(hours) - 9.0) / 24.0)
    return {
        RAIN: random.gamma(0.2, 2.0, hours),
        WARMTH: 3.0 + daily + random.normal(0.0, 2.0, hours),
        CANAL: random.uniform(0.0, 1.0, hours),
    }


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give a folder with a plugin and, beside it, a model folder of each kind."""
    folder = tmp_path_factory.mktemp("own")
    with registered(folder):
        for name, model in MODELS.items():
            write_own_model(folder / name, model)
        yield folder


@pytest.fixture(params=MODELS)
def kind(request: pytest.FixtureRequest) -> str:
    """Give each kind of model."""
    return str(request.param)


class Runs:
    """Makes catchments of a kind of model."""

    def __init__(self, folders: Path, kind: str, tmp_path: Path) -> None:
        self.folder, self.model, self._place = folders / kind, MODELS[kind], tmp_path
        self.initial: Path | None = self._settled() if self.model.from_series else None

    @property
    def hourly(self) -> bool:
        """Whether every hour is a step."""
        return self.model.physics.endswith("Hourly")

    def config(self, catchment: str = "cat-1", **changes: Any) -> Path:
        """Write a BMI configuration."""
        values = {
            "catchment_id": catchment,
            "model_dir": str(self.folder),
            "time_step": "1 hour" if self.hourly else "1 day",
            "start_time": str(START),
            "dtype": "float64",
            "latitude": LATITUDE,
            "pet_method": "penman_monteith" if self.hourly else "hargreaves",
            **({} if self.initial is None else {"initial_state": str(self.initial)}),
            **ATTRIBUTES,
        }
        path = self._place / f"{catchment}.yml"
        path.write_text(yaml.safe_dump(values | changes))
        return path

    def start(self, catchment: str = "cat-1", **changes: Any) -> BmiDeltaModel:
        """Give an initialized model."""
        model = BmiDeltaModel()
        model.initialize(str(self.config(catchment, **changes)))
        return model

    def engine(self) -> Engine:
        """Give an engine of its own, with the catchment as the BMI's starts."""
        engine = Engine.from_folder(self.folder, "float64")
        engine.add({name: [value] for name, value in ATTRIBUTES.items()}, ["cat-1"])
        if self.model.from_series:
            engine.run(self.lead_in())
            engine.reset_budget()
        return engine

    def lead_in(self) -> np.ndarray:
        """Weather before the start, which fixes static parameters where they come from a series."""
        return np.random.default_rng(8).uniform(0.0, 9.0, (20, 1, 3))

    def _settled(self) -> Path:
        from bmi_dmg.stepping.daily import DailyStepper
        from bmi_dmg.stepping.weather import Weather as BmiWeather
        from dmg_core import Catchment

        engine = self.engine()
        layout = layout_of(engine.model.physics.process, "hargreaves")
        stepper = DailyStepper(Catchment(engine, 0), BmiWeather("cat-1", layout), START, LATITUDE)
        file = self._place / "settled.safetensors"
        states_of(engine.identity, {"cat-1": (START, stepper.capture())}).write(file)
        return file


@pytest.fixture
def runs(folders: Path, kind: str, tmp_path: Path) -> Runs:
    """Give what makes catchments of a kind."""
    return Runs(folders, kind, tmp_path)


def drive(model: BmiDeltaModel, weather: Weather, hours: range = range(HOURS)) -> dict[str, np.ndarray]:
    """Step a model through hours and read all outputs after each."""
    names, inputs = model.get_output_var_names(), model.get_input_var_names()
    results = {name: np.empty(len(hours)) for name in names}
    for place, hour in enumerate(hours):
        for name in inputs:
            model.set_value(name, penman(name, weather, hour))
        model.update()
        for name in names:
            results[name][place] = model.get_value(name, np.empty(1))[0]
    return results


#: What Penman–Monteith needs besides temperature.
CALM = {
    "atmosphere_air_water~vapor__relative_saturation": 0.006,
    "land_surface_radiation~incoming~longwave__energy_flux": 320.0,
    "land_surface_radiation~incoming~shortwave__energy_flux": 300.0,
    "land_surface_air__pressure": 97000.0,
    "land_surface_wind__x_component_of_velocity": 2.0,
    "land_surface_wind__y_component_of_velocity": -1.0,
}


def penman(name: str, weather: Weather, hour: int) -> np.ndarray:
    """Give an input of an hour."""
    return weather[name][hour : hour + 1] if name in weather else np.array([CALM[name]])


def steps_of(runs: Runs, weather: Weather) -> np.ndarray:
    """Aggregate the weather as the declaration says, (steps, 1, F), by numpy alone."""
    hours = 1 if runs.hourly else 24
    day = {name: values.reshape(-1, hours) for name, values in weather.items()}
    warmth = day[WARMTH]
    if runs.hourly:
        rest = [torch.full((HOURS,), value, dtype=torch.float64) for value in CALM.values()]
        potential = pet.penman_monteith(torch.from_numpy(weather[WARMTH]), *rest).numpy()
    else:
        dates = [(START + timedelta(days=k)).timetuple().tm_yday for k in range(len(warmth))]
        columns = (warmth.min(1), warmth.max(1), warmth.mean(1), np.radians(LATITUDE), np.array(dates, float))
        potential = pet.hargreaves(*(torch.as_tensor(column, dtype=torch.float64) for column in columns)).numpy()
    series = {
        "P": day[RAIN].sum(1),
        "T": warmth.mean(1),
        "PET": potential,
        "Tmin": warmth.min(1),
        "Tmax": warmth.max(1),
        "canal": day[CANAL].sum(1),
    }
    return np.stack([series[forcing.name] for forcing in runs.start().stepper.layout.forcings], axis=-1)[:, None]


def test_every_flux_and_store_is_an_output_in_metres(runs: Runs) -> None:
    """Stepped by the hour, each output is the engine's batch run on the aggregated weather, in m, m h-1 or the model's own unit."""
    weather = make_weather()
    model, engine = runs.start(), runs.engine()
    results, expected = drive(model, weather), engine.run(steps_of(runs, weather))
    assert {variable.source for variable in model.stepper.layout.outputs} == set(engine.outputs)
    hours = 1 if runs.hourly else 24
    for variable in model.stepper.layout.outputs:
        unit = {"m": 1e-3, "m h-1": 1e-3 / hours}.get(variable.units, 1.0)
        factor = 1e-3 / hours if variable.name == RUNOFF_DEPTH else unit
        found = results[variable.name][hours - 1 :: hours]
        np.testing.assert_allclose(found, factor * expected[variable.source][:, 0], rtol=1e-11, atol=1e-15, err_msg=variable.name)
        if hours > 1:  # reported until the next day is complete
            np.testing.assert_array_equal(np.diff(results[variable.name][23:47]), 0.0)


def test_many_hours_at_once_are_hour_by_hour(runs: Runs) -> None:
    """A fast run gives the bits of stepping in compiled code, and the same to rounding where torch steps the network."""
    weather = make_weather()
    expected = drive(runs.start(), weather)
    model = runs.start()
    fast = FastRun([("cat-1", model)], model.get_output_var_names())
    found = []
    for begin, end in ((0, 7), (7, 60), (60, HOURS)):
        inputs = [
            np.concatenate([penman(name, weather, hour) for hour in range(begin, end)])[:, None] for name in model.get_input_var_names()
        ]
        found.append([values[:, 0] for values in fast.advance(inputs)])
    for name, values in zip(expected, (np.concatenate(parts) for parts in zip(*found, strict=True)), strict=True):
        if runs.model.network == "Gru":
            np.testing.assert_allclose(values, expected[name], rtol=1e-12, atol=1e-16, err_msg=name)
        else:
            np.testing.assert_array_equal(values, expected[name], err_msg=name)


@pytest.mark.parametrize("cut", [1, 24, 37])
def test_a_restart_goes_on_as_if_nothing_had_been(runs: Runs, cut: int) -> None:
    """Saved at any hour and restored into another object, a catchment gives the same bits from there on, budget included."""
    weather = make_weather()
    whole, first = runs.start(), runs.start()
    expected = drive(whole, weather)
    drive(first, weather, range(cut))
    first.set_value("serialization_create", np.zeros(1))
    state = first.get_value_ptr("serialization_state").copy()
    second = runs.start()
    second.set_value("serialization_state", state)
    results = drive(second, weather, range(cut, HOURS))
    for name, values in results.items():
        np.testing.assert_array_equal(values, expected[name][cut:], err_msg=name)
    for term in whole.budget_terms:
        assert second.get_value_ptr(f"budget::{term}")[0] == whole.get_value_ptr(f"budget::{term}")[0], term


@pytest.mark.parametrize("late", [0, 5])
def test_the_balance_closes_at_every_hour(runs: Runs, late: int) -> None:
    """What came in is what went out, is stored or leaked, at every hour, also after a first day that is not whole."""
    if late and runs.initial is not None:
        pytest.skip("the state is of midnight")
    weather = make_weather()
    model = runs.start(start_time=str(START + timedelta(hours=late)))
    names = [f"ngen::mass_{name}" for name in ("in", "out", "stored", "leaked")]
    for hour in range(late, HOURS):
        drive(model, weather, range(hour, hour + 1))
        came, *rest = (float(model.get_value_ptr(name)[0]) for name in names)
        assert came - sum(rest) == pytest.approx(0.0, abs=1e-12)
    entering = {"precipitation": RAIN, "canal": CANAL}
    for label in model.stepper.layout.entering_labels:
        total = weather[entering[label]][late:].sum()
        assert model.get_value_ptr(f"budget::{label}")[0] == pytest.approx(total, rel=1e-12)
    if "runoff" in model.budget_terms and not late:
        assert came > 0.0


def test_names_of_variables_are_made_of_the_declaration(folders: Path, tmp_path: Path) -> None:
    """Inputs and outputs, their order and units follow from the declaration; a known input that two forcings share stands there once."""
    four = Runs(folders, "four forcings", tmp_path).start()
    assert four.get_input_var_names() == (RAIN, WARMTH, CANAL)
    assert [four.get_var_units(name) for name in four.get_input_var_names()] == ["mm h-1", "degC", "mm"]
    expected = {
        RUNOFF_DEPTH: "m",
        "land_surface_water__runoff_volume_flux": "m h-1",
        "land_surface_water__unrouted_runoff_volume_flux": "m h-1",
        "routed_runoff": "m h-1",
        "runoff": "m h-1",
        "aet": "m h-1",
        "seepage": "m h-1",
        "range": "degC",
        "S": "m",
    }
    assert {name: four.get_var_units(name) for name in four.get_output_var_names()} == expected
    assert list(expected) == list(four.get_output_var_names())
    assert Runs(folders, "one forcing", tmp_path).start().get_input_var_names() == (RAIN,)
    assert Runs(folders, "GR4", tmp_path).start().get_input_var_names() == (RAIN, WARMTH)
    no_stores = Runs(folders, "no stores", tmp_path).start()
    assert (no_stores.get_input_var_names(), no_stores.get_output_var_names()) == ((WARMTH,), ("potential_melt",))


def test_the_range_of_an_input_is_the_declared_one(folders: Path, tmp_path: Path) -> None:
    """A value beyond the declared range, and one that is not finite, is refused by name, and changes nothing."""
    model = Runs(folders, "four forcings", tmp_path).start()
    weather = make_weather()
    drive(model, weather, range(3))
    before = model.stepper.capture()
    for value in (9.5, -0.1, np.inf, np.nan):
        model.set_value(CANAL, np.array([value]))
        with pytest.raises(ForcingError, match=rf"cat-1, 2001-05-03 03:00: {CANAL} is .*, expected 0 to 9 mm"):
            model.update()
    after = model.stepper.capture()
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_states_and_parameters_go_by_declared_names(folders: Path, tmp_path: Path) -> None:
    """``state::`` sets a store, which counts as an increment; a parameter that is set acts; others are refused by name."""
    runs = Runs(folders, "buckets", tmp_path)
    weather = make_weather()
    plain, changed = runs.start(), runs.start()
    changed.set_value("parCFMAX", np.array([9.0]))
    changed.set_value("multiplier::parK", np.array([0.5]))
    changed.set_value("state::ground", np.array([30.0, 50.0]))
    assert changed.get_value_ptr("state::ground").tolist() == [30.0, 50.0]
    assert changed.get_value_ptr("budget::increments")[0] == pytest.approx(40.0)
    assert changed.get_value_ptr("parCFMAX")[0] == 9.0
    assert drive(changed, weather)["ground"][-1] > drive(plain, weather)["ground"][-1]
    with pytest.raises(ConfigError, match="the TwoBuckets parameters of this model are parTT, parCFMAX, parK"):
        changed.set_value("parFC", np.array([1.0]))
    with pytest.raises(ConfigError, match="the variables of the state of this model are state::snow, state::ground"):
        changed.set_value("state::soil_moisture", np.array([1.0]))


def test_variables_that_share_a_name_are_refused(folders: Path) -> None:
    """Two outputs, or an output and an input, of one name are an error that names them; so is a known input in another unit."""
    from dmg_core.models import PROCESS_MODELS

    class Clash(PROCESS_MODELS["OneForcing"]):  # type: ignore[misc]
        forcings = (Forcing("P", "mm", aggregate="sum"), Forcing("salt", "g"))
        fluxes = (Flux("runoff", "mm", routed=True), Flux("salt_out", "g", bmi_name="salt"))

    class Kelvin(PROCESS_MODELS["OneForcing"]):  # type: ignore[misc]
        forcings = (Forcing("P", "mm", aggregate="sum"), Forcing("T", "K"))

    with pytest.raises(ConfigError, match="found twice: salt"):
        layout_of(Clash(), "hargreaves")
    with pytest.raises(ConfigError, match="forcing T has the unit 'K'; land_surface_air__temperature is in degC"):
        layout_of(Kelvin(), "hargreaves")


def test_the_kinds_differ(folders: Path) -> None:
    """The models of these tests are of networks and steps of both kinds, and the folder of each has its plugin's name."""
    assert {model.network for model in MODELS.values()} == {"Gru", "LstmMlpModel", "LstmModel"}
    assert isinstance(MODELS["GR4"], OwnModel)
    for name in MODELS:
        plugins = yaml.safe_load((folders / name / "config.yaml").read_text()).get("plugins")
        assert bool(plugins) == (name not in {"GR4", "HBV in rates", "LSTM"})
