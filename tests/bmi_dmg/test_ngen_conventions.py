"""What ngen demands of a Python module, point by point, asked as ngen asks it.

:class:`Module` makes the calls of ngen's Python adapter, with its arguments and in its order: those of construction, and those of one time
step of one catchment.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cf_units import Unit

import bmi_dmg
from bmi_dmg import BmiDeltaModel
from bmi_dmg.variables import HARGREAVES_INPUTS, OUTPUTS, PENMAN_MONTEITH_INPUTS, RUNOFF_DEPTH
from dmg_core.errors import DmgError
from dmg_core.sharing import shared_engine

Writer = Callable[..., Path]
Weather = dict[str, np.ndarray]

#: Types, with their item sizes, that ngen can set and those that it can read. Any other aborts the run.
SETTABLE = {("float64", 8), ("float", 8), ("float32", 4), ("float", 4), ("int", 8), ("int", 4), ("int64", 8), ("int32", 4)}
READABLE = {("float64", 8), ("float32", 4), ("float", 8), ("int", 8)}
#: Requested units that mean no conversion.
NO_CONVERSION = {"", "-", "none", "unitless", "dimensionless"}

#: Forcings of NGIAB's file, by the inputs they are mapped to: AORC name and unit.
AORC = {
    "atmosphere_water__liquid_equivalent_precipitation_rate": ("precip_rate", "mm s^-1"),
    "land_surface_air__temperature": ("TMP_2maboveground", "K"),
    "atmosphere_air_water~vapor__relative_saturation": ("SPFH_2maboveground", "kg kg-1"),
    "land_surface_radiation~incoming~longwave__energy_flux": ("DLWRF_surface", "W m-2"),
    "land_surface_radiation~incoming~shortwave__energy_flux": ("DSWRF_surface", "W m-2"),
    "land_surface_air__pressure": ("PRES_surface", "Pa"),
    "land_surface_wind__x_component_of_velocity": ("UGRD_10maboveground", "m s-1"),
    "land_surface_wind__y_component_of_velocity": ("VGRD_10maboveground", "m s-1"),
}
#: What NGIAB's realization names as main output.
NGIAB_MAIN_OUTPUT = "land_surface_water__runoff_volume_flux"

#: Names of variables that ngen's protocols ask for; they never stand in the lists of names.
PROTOCOLS = (
    *(f"ngen::mass_{part}" for part in ("in", "out", "stored", "leaked")),
    *(f"{prefix}serialization_{part}" for prefix in ("ngen::", "") for part in ("create", "size", "state", "free")),
    "reset_time",
)
#: Names that this module does not know: of a protocol it lacks, and of another model's parameters.
UNKNOWN = ("ngen::no_such_protocol", "ngen::mass", "soil_params.depth", "k")


@dataclass
class Forcings:
    """Hourly forcing of one catchment by AORC name, as ngen's provider gives it."""

    series: Mapping[str, np.ndarray]
    units: Mapping[str, str]

    @classmethod
    def of(cls, weather: Weather) -> Forcings:
        """Put weather in the module's units into float32 values in AORC's."""
        own = {variable.name: variable.units for variable in PENMAN_MONTEITH_INPUTS}
        series = {name: Unit(own[key]).convert(weather[key], Unit(units)).astype(np.float32) for key, (name, units) in AORC.items()}
        return cls(series, dict(AORC.values()))

    def get(self, name: str, hour: int, units: str) -> float:
        """Value of an hour in the units asked for."""
        value = float(self.series[name][hour])
        if units == self.units[name] or units in NO_CONVERSION:
            return value
        return float(Unit(self.units[name]).convert(value, Unit(units)))


@dataclass
class Module:
    """One BMI object of one catchment, with ngen's adapter and formulation around it.

    ``always_until`` is what ngen's documentation says of update_until, in place of what its code does.
    """

    init_config: str
    main_output: str = RUNOFF_DEPTH
    columns: Sequence[str] = ()
    always_until: bool = False
    multi: bool = False
    allow_exceed_end_time: bool = False
    model: BmiDeltaModel = field(init=False)

    def __post_init__(self) -> None:
        """Construct the object as ngen does."""
        self.model = BmiDeltaModel()
        self.model.initialize(self.init_config)
        time_units = self.model.get_time_units()
        assert " since " not in time_units
        self.seconds = Unit(time_units).convert(1.0, Unit("s"))
        self.start = self.model.get_start_time()
        self._names("output")
        for kind in ("input", "input", "output", "output") if self.multi else ():
            self._names(kind)

    def ask_units_of_columns(self) -> None:
        """Do what is done once all modules are constructed."""
        for name in self.columns:
            self.model.get_var_units(name)

    def step(self, forcings: Forcings) -> tuple[float, list[float]]:
        """Make one time step; returns the main output in m and the columns as they are."""
        model, hour_length = self.model, 3600.0 / self.seconds
        if not self.allow_exceed_end_time:
            assert model.get_current_time() + hour_length <= model.get_end_time()
        model.get_current_time()
        now = model.get_current_time()
        self._set_inputs(forcings, round((now - self.start) * self.seconds / 3600.0))
        if hour_length == model.get_time_step() and not self.always_until:
            model.update()
        else:
            model.update_until(now + hour_length)
        assert model.get_current_time() == now + hour_length
        return self._read(self.main_output, "m"), [self._read(name) for name in (self.main_output, *self.columns)]

    def _set_inputs(self, forcings: Forcings, hour: int) -> None:
        model = self.model
        for name in self._names("input"):
            itemsize, units, declared, nbytes = (
                model.get_var_itemsize(name),
                model.get_var_units(name),
                model.get_var_type(name),
                model.get_var_nbytes(name),
            )
            value = forcings.get(AORC[name][0], hour, units)
            assert (itemsize, declared, nbytes) == (model.get_var_itemsize(name), model.get_var_type(name), model.get_var_nbytes(name))
            assert (declared, model.get_var_itemsize(name)) in SETTABLE
            assert type(declared) is str
            assert nbytes % itemsize == 0
            model.set_value(name, np.full(nbytes // itemsize, value, dtype=declared))

    def _read(self, name: str, units: str = "") -> float:
        model = self.model
        assert name in self._names("output")
        declared, itemsize = model.get_var_type(name), model.get_var_itemsize(name)
        assert model.get_var_itemsize(name) == itemsize
        self._names("input")
        assert model.get_var_type(name) == declared
        assert (declared, itemsize) in READABLE
        assert type(declared) is str
        dest = np.zeros(1, dtype=declared)
        model.get_value_at_indices(name, dest, np.zeros(1, np.int32))
        own = Unit(model.get_var_units(name))
        value = float(dest[0])
        return float(own.convert(value, Unit(units))) if units not in NO_CONVERSION and own.is_convertible(Unit(units)) else value

    def _names(self, kind: str) -> Sequence[str]:
        """Names behind their count: names beyond the count would be written past the end of a vector."""
        count = self.model.get_input_item_count() if kind == "input" else self.model.get_output_item_count()
        names = self.model.get_input_var_names() if kind == "input" else self.model.get_output_var_names()
        assert type(count) is int
        assert isinstance(names, list | tuple)
        assert count == len(names)
        return names


def _run(module: Module, forcings: Forcings, hours: int) -> np.ndarray:
    """Main output of each hour, m."""
    return np.array([module.step(forcings)[0] for _ in range(hours)])


@pytest.fixture(params=["Hbv_2", "Hbv_2_hourly"])
def physics(request: pytest.FixtureRequest) -> str:
    """Give a daily and an hourly model."""
    return str(request.param)


def test_1_runtime_imports_no_libraries_that_crash_ngen(write_config: Writer, tmp_path: Path) -> None:
    """A whole run, not the import alone, loads no netCDF4, h5py, xarray, pandas or geopandas, and prints nothing that could get lost."""
    script = f"""
import sys
import numpy as np
from bmi_dmg import BmiDeltaModel
models = [BmiDeltaModel() for _ in range(2)]
for model, config in zip(models, {[str(write_config()), str(write_config(physics="Hbv_2_hourly"))]!r}):
    model.initialize(config)
    values = dict(zip(model.get_input_var_names(), (0.4, 9.0, 0.006, 300.0, 250.0, 98000.0, 2.0, 1.0)))
    for hour in range(25):
        for name, value in values.items():
            model.set_value(name, np.array([value]))
        model.update()
        model.get_value_at_indices({RUNOFF_DEPTH!r}, np.zeros(1), np.zeros(1, np.int32))
    model.finalize()
print(sorted({{"netCDF4", "h5py", "xarray", "pandas", "geopandas", "cf_units"}} & set(sys.modules)))
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(bmi_dmg.__file__).parents[1])}
    result = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, "[]\n"), result.stderr


def test_2_types_are_float64(write_config: Writer, physics: str) -> None:
    """Every declared type is the plain str of the type of the variable's array, a float64 of 8 bytes, which ngen sets and reads."""
    model = Module(str(write_config(physics=physics))).model
    for name in (*model.get_input_var_names(), *model.get_output_var_names()):
        declared = model.get_var_type(name)
        assert type(declared) is str
        assert declared == str(model.get_value_ptr(name).dtype) == "float64"
        assert (declared, model.get_var_itemsize(name)) in SETTABLE & READABLE
        assert model.get_var_nbytes(name) == model.get_value_ptr(name).nbytes == 8


def test_3_values_are_copied_in_and_filled_in_place(write_config: Writer, weather_of: Callable[..., Weather], physics: str) -> None:
    """A set array may be reused at once; reading fills the array that is given, which only then holds the value."""
    module, forcings = Module(str(write_config(physics=physics))), Forcings.of(weather_of(30))
    _run(module, forcings, 30)
    for name in module.model.get_input_var_names():
        source = np.array([12.0])
        module.model.set_value(name, source)
        source[:] = np.nan
        assert module.model.get_value_ptr(name).tolist() == [12.0]
    for name in module.model.get_output_var_names():
        dest = np.full(1, -1.0)
        module.model.get_value_at_indices(name, dest, np.zeros(1, np.int32))
        assert dest.tolist() == module.model.get_value_ptr(name).tolist() != [-1.0]
        assert module.model.get_value_ptr(name).ndim == 1


def test_4_update_and_update_until_are_one(write_config: Writer, weather_of: Callable[..., Weather], physics: str) -> None:
    """With ngen's step, update() as its code calls it and update_until() as its documentation says give bitwise the same."""
    forcings, config = Forcings.of(weather_of(80)), str(write_config(physics=physics))
    updated, until = (_run(Module(config, always_until=always), forcings, 80) for always in (False, True))
    np.testing.assert_array_equal(updated, until)
    assert updated.any()


def test_4_time(write_config: Writer, physics: str) -> None:
    """Time starts at 0.0 in s without an epoch, steps are ngen's 3600 s, and the end is beyond any run."""
    model = Module(str(write_config(physics=physics, start_time="2015-12-01 07:00:00"))).model
    assert (model.get_time_units(), model.get_time_step(), model.get_start_time()) == ("s", 3600.0, 0.0)
    assert model.get_end_time() > 1e300


@pytest.mark.parametrize("variable", PENMAN_MONTEITH_INPUTS, ids=lambda variable: variable.name)
def test_5_forcing_arrives_in_the_units_of_the_module(write_config: Writer, weather_of: Callable[..., Weather], variable: Any) -> None:
    """Converted by UDUNITS to the units of the input, ngen's forcing is the weather it was made of."""
    module, weather = Module(str(write_config(physics="Hbv_2_hourly"))), weather_of(24)
    _run(module, Forcings.of(weather), 24)
    assert module.model.get_value_ptr(variable.name)[0] == pytest.approx(weather[variable.name][-1], rel=1e-6, abs=1e-4)


def test_5_main_output_is_depth_per_step(write_config: Writer, weather_of: Callable[..., Weather], physics: str) -> None:
    """The main output needs no conversion to m and is the depth of one step; as NGIAB names it, ngen's reading gives the same number."""
    forcings, config = Forcings.of(weather_of(80)), str(write_config(physics=physics))
    module = Module(config)
    assert module.model.get_output_var_names()[0] == RUNOFF_DEPTH
    assert module.model.get_var_units(RUNOFF_DEPTH) == "m"
    np.testing.assert_array_equal(_run(Module(config, NGIAB_MAIN_OUTPUT), forcings, 80), _run(module, forcings, 80))


@pytest.mark.parametrize("name", UNKNOWN)
@pytest.mark.parametrize("ask", ["get_var_itemsize", "get_var_type", "get_var_units", "get_value_ptr"])
def test_6_unknown_names_raise(write_config: Writer, name: str, ask: str) -> None:
    """Asked for a variable of a protocol it lacks, the module raises KeyError, so that ngen switches the protocol off."""
    with pytest.raises(KeyError, match=name):
        getattr(Module(str(write_config())).model, ask)(name)


@pytest.mark.parametrize("name", UNKNOWN)
def test_6_setting_unknown_names_is_ignored(write_config: Writer, weather_of: Callable[..., Weather], name: str) -> None:
    """Setting any other name does nothing, whatever is set."""
    forcings, config = Forcings.of(weather_of(60)), str(write_config())
    module = Module(config)
    for source in (np.zeros(1, np.int32), np.zeros(0, np.uint8), np.ones(100, np.int8), np.array([np.nan])):
        module.model.set_value(name, source)
    np.testing.assert_array_equal(_run(module, forcings, 60), _run(Module(config), forcings, 60))


def test_7_nothing_raises_in_a_good_run(write_config: Writer, weather_of: Callable[..., Weather], physics: str) -> None:
    """A run with every output as a column, in a bmi_multi, gives finite numbers and ends without an exception."""
    outputs = BmiDeltaModel().get_output_var_names()
    module = Module(str(write_config(physics=physics)), columns=outputs, multi=True, allow_exceed_end_time=True)
    module.ask_units_of_columns()
    forcings = Forcings.of(weather_of(60))
    for _ in range(60):
        main, columns = module.step(forcings)
        assert np.isfinite([main, *columns]).all()
    module.model.finalize()


def test_7_finalize_never_raises(write_config: Writer, physics: str) -> None:
    """An exception in finalize would abort ngen: there is none after success, after failure, before initialize, or the second time."""
    fresh, failed = BmiDeltaModel(), BmiDeltaModel()
    with pytest.raises(DmgError):
        failed.initialize("missing.yml")
    running = Module(str(write_config(physics=physics))).model
    with pytest.raises(DmgError):
        running.update()
    for model in (fresh, failed, running, running):
        model.finalize()


def test_8_catchments_share_weights_and_nothing_else(
    write_config: Writer, make_model: Callable[..., Path], weather_of: Callable[..., Weather], physics: str
) -> None:
    """Constructed in one order and stepped round-robin in another, catchments share one engine and give what each gives by itself."""
    ids, graph_order, hours = ("cat-67", "cat-27", "cat-52"), (2, 1, 0), 80
    configs = [str(write_config(physics=physics, copy=6, catchment_id=name, uparea=600.0 * i + 500.0)) for i, name in enumerate(ids)]
    forcings = [Forcings.of(weather_of(hours, seed)) for seed in range(3)]
    modules = [Module(config) for config in configs]
    assert shared_engine(make_model(physics, 6), "float64").ids == ids
    for module in modules:
        module.ask_units_of_columns()
    runoff = np.empty((3, hours))
    for hour in range(hours):
        for i in graph_order:
            runoff[i, hour] = modules[i].step(forcings[i])[0]
    del module
    modules.clear()
    for i, config in enumerate(configs):
        np.testing.assert_array_equal(runoff[i], _run(Module(config), forcings[i], hours))
    assert len({row.tobytes() for row in runoff}) == 3


def test_9_names_of_protocols_are_not_published(write_config: Writer) -> None:
    """State and mass balance are no business of the lists of names: published are the weather that is needed and the results."""
    model = Module(str(write_config())).model
    assert model.get_input_var_names() == tuple(variable.name for variable in HARGREAVES_INPUTS)
    assert model.get_output_var_names() == tuple(variable.name for variable in OUTPUTS)
    assert not {*model.get_input_var_names(), *model.get_output_var_names()} & set(PROTOCOLS)
