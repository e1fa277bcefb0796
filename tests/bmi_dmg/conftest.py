"""Small run folders in NGIAB's form and tiny models behind the BMI, made to measure."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import yaml

from bmi_dmg import BmiDeltaModel
from bmi_dmg.driver.netcdf_file import NetCDFFile
from bmi_dmg.driver.settings import OutputSettings
from bmi_dmg.run_folder.aorc import WELL_KNOWN
from bmi_dmg.run_folder.hydrofabric import read_divides
from bmi_dmg.run_folder.realization import TIME_FORMAT
from bmi_dmg.run_folder.writing import BMI_CONFIGS, FORCING, REALIZATION, Period, write_forcing, write_realization
from bmi_dmg.run_plan.lifecycle import Variable
from bmi_dmg.run_plan.plan import Output
from bmi_dmg.run_plan.result_files import DATASET, NETCDF_CHUNK
from bmi_dmg.variables import OUTPUTS, PENMAN_MONTEITH_INPUTS, RUNOFF_DEPTH
from dmg_core import Catchment, Engine
from dmg_core.checkpoint import ModelSettings, write_checkpoint
from tests.dmg_core.multi_timescale.factories import write_model as write_multi_timescale_model

FAKES = Path(__file__).parent / "fakes"
START = datetime(2020, 2, 28, 22)
NAMES = {"rain": "precip_rate", "air_temperature": "TMP_2maboveground", "runoff": "streamflow"}


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Give the module of the recording BMI class, with an empty record."""
    monkeypatch.syspath_prepend(str(FAKES))
    module = importlib.import_module("recording_bmi")
    module.EVENTS.clear()
    return module


@pytest.fixture
def write_netcdf() -> Callable[..., None]:
    """Give a writer of forcing files in NGIAB's form."""
    return _write_netcdf


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Give a maker of run folders.

    Rain of catchment number i (from 0) at step t is (i + 1) (t + 1) mm/h, air temperature 10 i + t °C.
    """

    def make(
        *,
        name: str = "run",
        catchments: Sequence[str] = ("cat-1", "cat-2", "cat-10"),
        hours: int = 5,
        multi: bool = True,
        csv: bool = False,
        geopackage: bool = True,
        config: dict[str, Any] | None = None,
        change: Callable[[dict[str, Any]], None] | None = None,
    ) -> Path:
        folder = tmp_path / name
        (folder / "config" / "cat_config" / "fake").mkdir(parents=True)
        (folder / "forcings").mkdir()
        for catchment in catchments:
            (folder / "config" / "cat_config" / "fake" / f"{catchment}.yml").write_text(json.dumps(config or {}))
        if geopackage:
            _write_geopackage(folder / "config" / "subset.gpkg", catchments)
        number, step = np.meshgrid(np.arange(len(catchments)), np.arange(hours), indexing="ij")
        variables = {
            "precip_rate": ("mm s^-1", (number + 1) * (step + 1) / 3600),
            "TMP_2maboveground": ("K", 10.0 * number + step + 273.15),
        }
        if csv:
            _write_csv(folder / "forcings", catchments, variables)
        else:
            _write_netcdf(folder / "forcings" / "forcings.nc", catchments, variables)
        content = _realization(hours, multi=multi, csv=csv)
        if change is not None:
            change(content)
        (folder / "config" / "realization.json").write_text(json.dumps(content))
        return folder

    return make


def _realization(hours: int, *, multi: bool, csv: bool) -> dict[str, Any]:
    params: dict[str, Any] = {
        "model_type_name": "fake",
        "python_type": "recording_bmi.RecordingBmi",
        "module_path": str(FAKES),
        "init_config": "./config/cat_config/fake/{{id}}.yml",
        "main_output_variable": "streamflow",
        "allow_exceed_end_time": True,
        "uses_forcing_file": False,
        "variables_names_map": dict(NAMES),
    }
    formulation = {"name": "bmi_python", "params": params}
    if multi:
        outer = {"model_type_name": "bmi_multi", "forcing_file": "", "init_config": "", "main_output_variable": "streamflow"}
        formulation = {"name": "bmi_multi", "params": {**outer, "allow_exceed_end_time": True, "modules": [formulation]}}
    netcdf = {"path": "./forcings/forcings.nc", "provider": "NetCDF"}
    per_feature = {"path": "./forcings/", "provider": "CsvPerFeature", "file_pattern": ".*{{id}}.*.csv"}
    return {
        "global": {"formulations": [formulation], "forcing": per_feature if csv else netcdf},
        "time": {"start_time": str(START), "end_time": str(START + timedelta(hours=hours - 1)), "output_interval": 3600},
        "output_root": "./outputs/ngen",
    }


def _write_geopackage(path: Path, catchments: Sequence[str]) -> None:
    import geopandas
    from shapely.geometry import box

    squares = [box(1000.0 * i, 0.0, 1000.0 * (i + 1), 1000.0) for i in range(len(catchments))]
    divides = geopandas.GeoDataFrame(
        {"divide_id": list(catchments), "areasqkm": np.arange(1.0, len(catchments) + 1)}, geometry=squares, crs="EPSG:5070"
    )
    divides.to_file(path, layer="divides", driver="GPKG")


def _write_netcdf(
    path: Path,
    catchments: Sequence[str],
    variables: dict[str, tuple[str | None, np.ndarray]],
    *,
    times: np.ndarray | None = None,
    time_attributes: dict[str, str] | None = None,
) -> None:
    import netCDF4

    n_hours = next(iter(variables.values()))[1].shape[1]
    if times is None:
        times = int((START - datetime(1970, 1, 1)).total_seconds()) + 3600 * np.arange(n_hours)
    with netCDF4.Dataset(str(path), "w") as dataset:
        dataset.createDimension("catchment-id", len(catchments))
        dataset.createDimension("time", n_hours)
        dataset.createVariable("ids", str, ("catchment-id",))[:] = np.array(catchments, dtype=object)
        time = dataset.createVariable("Time", times.dtype, ("catchment-id", "time"))
        time.setncatts({"units": "s", "epoch_start": "01/01/1970 00:00:00"} if time_attributes is None else time_attributes)
        time[:] = np.tile(times, (len(catchments), 1))
        for name, (units, values) in variables.items():
            variable = dataset.createVariable(name, "f4", ("catchment-id", "time"), fill_value=np.nan)
            if units is not None:
                variable.units = units
            variable[:] = values


def _write_csv(folder: Path, catchments: Sequence[str], variables: dict[str, tuple[str, np.ndarray]]) -> None:
    header = "time," + ",".join(f"{name}[{units}]" for name, (units, _) in variables.items())
    for row, catchment in enumerate(catchments):
        columns = [values[row] for _, values in variables.values()]
        lines = [
            ",".join([str(START + timedelta(hours=t)), *(repr(float(x)) for x in values)])
            for t, values in enumerate(zip(*columns, strict=True))
        ]
        (folder / f"{catchment}.csv").write_text("\n".join([header, *lines]) + "\n")


#: Catchment attributes that the tiny models take.
ATTRIBUTES = {"aridity": 1.041, "meanP": 991.3, "meanelevation": 335.1, "uparea": 1754.0}
_HIDDEN, _MLP_HIDDEN, _NMUL = 4, 5, 2
_STATISTICS = {
    "P": (0.0, 9.0, 3.0, 6.0),
    "T": (-5.0, 22.0, 9.0, 10.0),
    "PET": (0.2, 5.0, 2.0, 1.5),
    "aridity": (0.5, 2.0, 1.0, 0.5),
    "meanP": (500.0, 1500.0, 1000.0, 300.0),
    "meanelevation": (50.0, 1500.0, 400.0, 300.0),
    "uparea": (1.0, 2000.0, 300.0, 900.0),
}
#: The multi-timescale model, whose windows are a day each here, and the attributes it takes.
MTS = "Hbv_2_mts"
MTS_ATTRIBUTES = {"aridity": 1.041, "meanslope": 10.5, "meanelevation": 335.1, "uparea": 1754.0, "catchsize": 3.3, "lengthkm": 2.1}
#: Static parameters of the models that have them apart; the dynamic ones are the same three.
_STATIC = {"Hbv_2": 13, "Hbv_2_hourly": 16, "Hbv_2_1_hourly": 16}
#: All parameters of the models whose network gives them together.
_FROM_SERIES = {"Hbv": 13, "Hbv_1_1p": 14}


@pytest.fixture(scope="session")
def attributes() -> dict[str, float]:
    """Catchment attributes as the configurations of :func:`write_config` have them."""
    return dict(ATTRIBUTES)


@pytest.fixture(scope="session")
def make_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Give a maker of model folders with tiny seeded weights; equal arguments give the same folder."""

    @cache
    def make(physics: str = "Hbv_2", copy: int = 0, *, routing: bool = True) -> Path:
        folder = tmp_path_factory.mktemp(f"{physics}-{copy}")
        if physics == MTS:
            return write_multi_timescale_model(folder, nmul=_NMUL, hidden=(_HIDDEN, 3), days=1, hours=24)
        sequence = physics in _FROM_SERIES
        settings = ModelSettings(
            physics=physics,
            network="LstmModel" if sequence else "LstmMlpModel",
            nmul=_NMUL,
            routing=routing,
            nearzero=1e-5,
            dynamic=("parBETA", "parBETAET") if sequence else ("parBETA", "parK0", "parBETAET"),
            forcings=("P", "T", "PET"),
            attributes=tuple(ATTRIBUTES),
            log_norm=(),
            hidden_size=_HIDDEN,
            mlp_hidden_size=None if sequence else _MLP_HIDDEN,
        )
        last = 2 * routing
        shapes = (
            _lstm_shapes(_FROM_SERIES[physics] * _NMUL + last) if sequence else _lstm_mlp_shapes(3 * _NMUL, _STATIC[physics] * _NMUL + last)
        )
        generator = torch.Generator().manual_seed(11)
        weights = {name: 0.5 * torch.randn(shape, generator=generator) for name, shape in shapes.items()}
        write_checkpoint(folder, settings, _STATISTICS, weights, epoch=3)
        return folder

    return make


def _linear(name: str, rows: int, columns: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (rows, columns), f"{name}.bias": (rows,)}


def _lstm_shapes(outputs: int) -> dict[str, tuple[int, ...]]:
    gates = {"w_ih": (4 * _HIDDEN, _HIDDEN), "w_hh": (4 * _HIDDEN, _HIDDEN), "b_ih": (4 * _HIDDEN,), "b_hh": (4 * _HIDDEN,)}
    return {
        **_linear("linear_in", _HIDDEN, 3 + len(ATTRIBUTES)),
        **{f"lstm.{name}": shape for name, shape in gates.items()},
        **_linear("linear_out", outputs, _HIDDEN),
    }


def _lstm_mlp_shapes(outputs: int, mlp_outputs: int) -> dict[str, tuple[int, ...]]:
    shapes = {f"lstminv.{name}": shape for name, shape in _lstm_shapes(outputs).items()}
    shapes |= _linear("ann.i2h", _MLP_HIDDEN, len(ATTRIBUTES))
    for layer in range(1, 7):
        shapes |= _linear(f"ann.h2h{layer}", _MLP_HIDDEN, _MLP_HIDDEN)
    return {**shapes, **_linear("ann.h2o", mlp_outputs, _MLP_HIDDEN)}


@pytest.fixture(scope="session")
def write_config(tmp_path_factory: pytest.TempPathFactory, make_model: Callable[..., Path]) -> Callable[..., Path]:
    """Give a writer of BMI configurations in NGIAB's form; keyword arguments change keys, or remove them if they are None.

    Daily models come with Hargreaves, the hourly ones with Penman–Monteith.
    """

    def write(folder: Path | None = None, *, physics: str = "Hbv_2", copy: int = 0, **changes: Any) -> Path:
        hourly = physics.endswith("_hourly") or physics == MTS
        values = {
            "catchment_id": "cat-7",
            "catchment_name": "cat-7",
            **(MTS_ATTRIBUTES if physics == MTS else ATTRIBUTES),
            "model_dir": None if "model_dir" in changes else str(make_model(physics, copy)),
            "stepwise": True,
            "initial_state": "zero",
            "dtype": "float64",
            "verbose": 1,
            "time_step": "1 hour" if hourly else "1 day",
            "start_time": "2000-01-01 00:00:00",
            "end_time": "2005-12-31 23:00:00",
            "pet_method": "penman_monteith" if hourly else "hargreaves",
            "latitude": 40.6,
        }
        values |= changes
        path = (folder or tmp_path_factory.mktemp("config")) / f"{values['catchment_id']}.yml"
        path.write_text(yaml.safe_dump({key: value for key, value in values.items() if value is not None}), encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def make_bmi(write_config: Callable[..., Path]) -> Callable[..., BmiDeltaModel]:
    """Give a maker of initialized models; it takes what :func:`write_config` takes."""

    def make(**changes: Any) -> BmiDeltaModel:
        model = BmiDeltaModel()
        model.initialize(str(write_config(**changes)))
        return model

    return make


@pytest.fixture
def daily_model(make_bmi: Callable[..., BmiDeltaModel]) -> BmiDeltaModel:
    """Give a daily model with Hargreaves whose inputs are set: drizzle on a mild day."""
    model = make_bmi()
    for name, value in zip(model.get_input_var_names(), (0.4, 9.0), strict=True):
        model.set_value(name, np.array([value]))
    return model


@pytest.fixture(scope="session")
def weather_of() -> Callable[..., dict[str, np.ndarray]]:
    """Give a maker of hourly weather: all eight inputs by name and in their units, seeded."""

    def weather(hours: int, seed: int = 0) -> dict[str, np.ndarray]:
        random = np.random.default_rng(seed)
        hour = np.arange(hours)
        noon = np.cos(2.0 * np.pi * (hour % 24 - 14.0) / 24.0)
        columns = (
            random.gamma(0.5, 2.0, hours) * (random.random(hours) < 0.3),
            4.0 + 6.0 * noon + random.normal(0.0, 4.0, hours),
            random.uniform(0.002, 0.012, hours),
            random.uniform(220.0, 380.0, hours),
            np.maximum(noon, 0.0) * random.uniform(100.0, 800.0, hours),
            random.uniform(95000.0, 101000.0, hours),
            random.normal(0.0, 3.0, hours),
            random.normal(0.0, 3.0, hours),
        )
        return {variable.name: column for variable, column in zip(PENMAN_MONTEITH_INPUTS, columns, strict=True)}

    return weather


@pytest.fixture(scope="session")
def drive() -> Callable[..., dict[str, np.ndarray]]:
    """Give a function that sets the inputs of each hour, updates, and reads outputs, which it returns by name."""

    def run(
        model: BmiDeltaModel, weather: Mapping[str, np.ndarray], outputs: Sequence[str] = (RUNOFF_DEPTH,), hours: slice = slice(None)
    ) -> dict[str, np.ndarray]:
        names = model.get_input_var_names()
        series = np.stack([weather[name][hours] for name in names], axis=1)
        results = np.empty((len(series), len(outputs)))
        for values, result in zip(series, results, strict=True):
            for name, value in zip(names, values, strict=True):
                model.set_value(name, np.array([value]))
            model.update()
            for i, name in enumerate(outputs):
                model.get_value(name, result[i : i + 1])
        return dict(zip(outputs, results.T, strict=True))

    return run


@pytest.fixture(scope="session")
def state_of() -> Callable[[BmiDeltaModel], tuple[float, dict[str, float]]]:
    """Give a function that tells all that can be seen of a model: its time and its outputs by name."""

    def state(model: BmiDeltaModel) -> tuple[float, dict[str, float]]:
        return model.get_current_time(), {variable.name: float(model.get_value_ptr(variable.name)[0]) for variable in OUTPUTS}

    return state


@pytest.fixture
def recorded_catchment(
    make_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[Catchment, list[tuple[float, ...]]]]:
    """Give a maker of catchments whose engine, instead of stepping, writes down row, precipitation, temperature and PET of each step.

    The engine's outputs are 0, 1, 2 and so on.
    """

    def make(physics: str = "Hbv_2") -> tuple[Catchment, list[tuple[float, ...]]]:
        engine = Engine.from_folder(make_model(physics), dtype="float64")
        catchment = engine.add({name: [value] * 2 for name, value in ATTRIBUTES.items()})[1]
        steps: list[tuple[float, ...]] = []

        def advance(*step: float) -> np.ndarray:
            steps.append(step)
            return np.arange(float(len(engine.outputs)))

        monkeypatch.setattr(engine, "advance", advance)
        return catchment, steps

    return make


#: A run as it has been left: three catchments over 70 days.
FINISHED_START, FINISHED_DAYS, FINISHED_IDS = datetime(2020, 1, 30), 70, ("cat-1", "cat-2", "cat-10")


class FinishedRun(NamedTuple):
    """A run folder that looks as a run has left it, and what was put into it: by role, mm/d or mm, shape (N, days)."""

    folder: Path
    daily: dict[str, np.ndarray]


def report_daily(daily: np.ndarray) -> np.ndarray:
    """Spread daily values over the hours as a daily model reports them: from the last hour of each day on."""
    return np.hstack([np.zeros((len(daily), 23)), np.repeat(daily, 24, axis=1)[:, :-23]])


@pytest.fixture(scope="session")
def write_finished() -> Callable[..., Path]:
    """Give a writer of run folders with results made to measure, hourly and in the units of the model's outputs, and rain in mm/h."""
    return _write_finished


def _write_finished(
    folder: Path,
    start: datetime,
    results: Mapping[str, np.ndarray],
    rain: np.ndarray,
    *,
    ids: Sequence[str] = (),
    geopackage: Path | None = None,
) -> Path:
    units = {variable.name: variable.units for variable in OUTPUTS}
    ids = ids or [f"cat-{number}" for number in range(1, len(rain) + 1)]
    period = Period(start, start + timedelta(hours=rain.shape[1] - 1))
    (folder / "config").mkdir(parents=True)
    (folder / "outputs").mkdir()
    if geopackage is None:
        _write_geopackage(folder / "config" / "subset.gpkg", ids)
    else:
        shutil.copy(geopackage, folder / "config" / "subset.gpkg")
    write_realization(folder, period, tuple(results))
    write_forcing(folder, ids, start, {"precip_rate": (rain / 3600.0).astype(np.float32)})
    outputs = tuple(Output(Variable(name, units[name], np.float64, 1), name) for name in results)
    attributes = {"source": "bmi_dmg.BmiDeltaModel", "main_output_variable": next(iter(results))}
    settings = OutputSettings(folder / "csv", folder / "outputs" / "catchments.nc", start, rain.shape[1], 9, outputs, attributes)
    form = settings.hours_form(read_divides(folder / "config" / "subset.gpkg"))
    dataset = NetCDFFile(settings.dataset, settings.dataset, form, NETCDF_CHUNK)
    dataset.write(results, slice(None), slice(None))
    dataset.close()
    return folder


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, write_finished: Callable[..., Path]) -> FinishedRun:
    """Give a run of a daily model whose water budgets close, with all its outputs."""
    random = np.random.default_rng(5)
    shape = (len(FINISHED_IDS), FINISHED_DAYS)
    daily = {variable.source: random.uniform(0.1, 2.0, shape) for variable in OUTPUTS if variable.units == "m h-1"}
    in_stores = [variable.source for variable in OUTPUTS if variable.units == "m" and variable.name != RUNOFF_DEPTH]
    stores = {source: random.uniform(5.0, 50.0, shape) for source in in_stores}
    gained = sum(np.diff(store, axis=1, prepend=store[:, :1]) for store in stores.values())
    daily["precipitation"] = random.uniform(0.0, 20.0, shape)
    daily["regional_exchange"] = daily["aet"] + daily["unrouted_streamflow"] + gained - daily["precipitation"]
    daily |= stores
    results = {variable.name: report_daily(daily[variable.source]) * variable.factor(1) for variable in OUTPUTS if variable.source in daily}
    rain = np.repeat(daily["precipitation"], 24, axis=1) / 24.0
    folder = tmp_path_factory.mktemp("finished") / "my run"
    return FinishedRun(write_finished(folder, FINISHED_START, results, rain, ids=FINISHED_IDS), daily)


@pytest.fixture
def make_own_run(
    tmp_path: Path, write_config: Callable[..., Path], weather_of: Callable[..., dict[str, np.ndarray]]
) -> Callable[..., Path]:
    """Give a maker of run folders of our class: tiny models, seeded hourly weather from ``first`` on, in NGIAB's form."""
    file_names = {known.csdms: known.file_names[0] for known in WELL_KNOWN}
    to_file = {"precip_rate": lambda x: x / 3600.0, "TMP_2maboveground": lambda x: x + 273.15}

    def make(
        first: datetime,
        days: int,
        start: datetime,
        hours: int,
        *,
        name: str = "own",
        ids: Sequence[str] = ("cat-1", "cat-2", "cat-10"),
        **config: Any,
    ) -> Path:
        folder = tmp_path / name
        (folder / BMI_CONFIGS).mkdir(parents=True)
        for catchment in ids:
            write_config(folder / BMI_CONFIGS, catchment_id=catchment, start_time=str(start), uparea=float(catchment[4:]), **config)
        weathers = [weather_of(24 * days, seed) for seed in range(len(ids))]
        forcing = {}
        for variable in weathers[0]:
            file_name = file_names[variable]
            values = np.stack([weather[variable] for weather in weathers])
            forcing[file_name] = to_file.get(file_name, np.asarray)(values).astype(np.float32)
        write_forcing(folder, ids, first, forcing)
        write_realization(folder, Period(start, start + timedelta(hours=hours - 1)), (RUNOFF_DEPTH,))
        return folder

    return make


OWN_IDS, OWN_HOURS = ("cat-1", "cat-2", "cat-3"), 24 * 40 + 5


@pytest.fixture
def own_folder(
    tmp_path: Path, write_config: Callable[..., Path], write_netcdf: Callable[..., None], weather_of: Callable
) -> Callable[..., Path]:
    """Give a maker of run folders of catchments of our class, which differ in weather; changes are keys of the BMI configs."""

    def make(name: str, hour: int = 0, **changes: object) -> Path:
        path = tmp_path / name
        start = datetime(2001, 2, 3, hour)
        (path / BMI_CONFIGS).mkdir(parents=True)
        for catchment in OWN_IDS:
            write_config(path / BMI_CONFIGS, catchment_id=catchment, start_time=start.strftime(TIME_FORMAT), **changes)
        weather = [weather_of(OWN_HOURS, seed) for seed in range(len(OWN_IDS))]
        variables = {v.name: (v.units, np.stack([series[v.name] for series in weather])) for v in PENMAN_MONTEITH_INPUTS}
        (path / FORCING).parent.mkdir()
        write_netcdf(path / FORCING, OWN_IDS, variables, times=_epoch_of(start) + 3600 * np.arange(OWN_HOURS))
        module = {
            "model_type_name": "bmi_dmg",
            "python_type": "bmi_dmg.BmiDeltaModel",
            "init_config": f"./{BMI_CONFIGS}/{{{{id}}}}.yml",
            "main_output_variable": RUNOFF_DEPTH,
            "output_variables": [variable.name for variable in OUTPUTS],
            "allow_exceed_end_time": True,
        }
        content = {
            "global": {
                "formulations": [{"name": "bmi_python", "params": module}],
                "forcing": {"path": f"./{FORCING}", "provider": "NetCDF"},
            },
            "time": {
                "start_time": start.strftime(TIME_FORMAT),
                "end_time": (start + timedelta(hours=OWN_HOURS - 1)).strftime(TIME_FORMAT),
                "output_interval": 3600,
            },
            "output_root": "./outputs/ngen",
        }
        (path / REALIZATION).write_text(json.dumps(content))
        return path

    return make


def _epoch_of(time: datetime) -> int:
    """Seconds since 1970."""
    return int((time - datetime(1970, 1, 1)).total_seconds())


@pytest.fixture
def results_of() -> Callable[[Path], dict[str, np.ndarray]]:
    """Give a reader of all variables of a run's dataset, the budget included; texts are left out."""

    def read(path: Path) -> dict[str, np.ndarray]:
        import netCDF4

        with netCDF4.Dataset(str(path / DATASET)) as dataset:
            return {name: np.asarray(variable[:]) for name, variable in dataset.variables.items() if variable.dtype != str}

    return read


_CLUSTER = """
import sys
from distributed import LocalCluster
if __name__ == "__main__":
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
"""


class DaskCluster(NamedTuple):
    """A cluster of two workers in a process of its own: the address of its scheduler, and the process."""

    address: str
    process: subprocess.Popen[str]


@pytest.fixture(scope="session")
def start_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], DaskCluster]]:
    """Give what starts a cluster whose workers know the models of the tests; it ends with the tests."""
    script, started = tmp_path_factory.mktemp("cluster") / "cluster.py", []
    script.write_text(_CLUSTER)

    def start() -> DaskCluster:
        search = os.pathsep.join([str(FAKES), *filter(None, [os.environ.get("PYTHONPATH")])])
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen([sys.executable, str(script)], text=True, env={**os.environ, "PYTHONPATH": search}, **pipes)
        started.append(process)
        assert process.stdout is not None
        return DaskCluster(process.stdout.readline().strip(), process)

    yield start
    for process in started:
        process.communicate("")


@pytest.fixture(scope="session")
def scheduler(start_cluster: Callable[[], DaskCluster]) -> str:
    """Address of a cluster that all tests share."""
    return start_cluster().address
