from __future__ import annotations

from datetime import datetime
from pathlib import Path

import netCDF4
import numpy as np

from bmi_dmg.config.bmi_config import read_config
from bmi_dmg.run_folder.netcdf_forcing import NetCDFForcing
from bmi_dmg.run_folder.realization import read_realization
from bmi_dmg.run_folder.writing import BMI_CONFIGS, FORCING, FORCING_UNITS, Period, write_bmi_config, write_forcing, write_realization

PERIOD = Period(datetime(2018, 12, 31, 22), datetime(2019, 1, 1, 1))
IDS = ("cat-2", "cat-10")


def write_some_forcing(folder: Path) -> dict[str, np.ndarray]:
    """Write four hours for two catchments and give the values."""
    values = np.arange(8, dtype=np.float32).reshape(2, 4)
    weather = {name: values + i for i, name in enumerate(FORCING_UNITS)}
    write_forcing(folder, IDS, PERIOD.start, weather)
    return weather


def test_forcing_is_read_back(tmp_path: Path) -> None:
    """Catchments, hours and values come back as they were written."""
    weather = write_some_forcing(tmp_path)
    forcing = NetCDFForcing(tmp_path / FORCING)
    assert forcing.coverage("cat-10") == (PERIOD.start, PERIOD.end)
    np.testing.assert_array_equal(forcing.read("TMP_2maboveground", IDS, 0, 4), weather["TMP_2maboveground"].T)
    forcing.close()


def test_forcing_has_the_form_of_a_real_file(tmp_path: Path, shared: Path) -> None:
    """Dimensions, variables, types and the attributes ngen reads are those of NGIAB's preprocessor."""
    write_some_forcing(tmp_path)
    with (
        netCDF4.Dataset(str(tmp_path / FORCING)) as ours,
        netCDF4.Dataset(str(shared / "data" / "ngiab_cat-2861474" / FORCING)) as real,
    ):
        assert ours.dimensions.keys() == real.dimensions.keys()
        assert ours.variables.keys() == real.variables.keys()
        for name, variable in real.variables.items():
            assert (ours[name].dtype, ours[name].dimensions) == (variable.dtype, variable.dimensions), name
            for attribute in {"units", "epoch_start"} & set(variable.ncattrs()):
                assert getattr(ours[name], attribute) == getattr(variable, attribute), (name, attribute)


def test_bmi_config_is_read_back(tmp_path: Path) -> None:
    """The config holds the catchment, its attributes and the start of the run."""
    (tmp_path / "model").mkdir()
    write_bmi_config(tmp_path, "cat-2", PERIOD, {"aridity": 1.25, "uparea": 3.5}, model_dir=str(tmp_path / "model"), latitude=40.5)
    config = read_config(tmp_path / BMI_CONFIGS / "cat-2.yml")
    assert (config.catchment_id, config.start_time, config.latitude) == ("cat-2", PERIOD.start, 40.5)
    assert (config.steps_per_day, config.pet_method) == (1, "penman_monteith")
    assert config.attributes(["uparea", "aridity"]) == {"uparea": 3.5, "aridity": 1.25}


def test_realization_is_read_back(tmp_path: Path) -> None:
    """The realization names the BMI class, the runoff depth, the columns and all hours, the last one included."""
    write_realization(tmp_path, PERIOD, ["soil_water__depth"])
    realization = read_realization(tmp_path)
    assert realization.n_steps == 4
    assert realization.forcing.path == tmp_path / FORCING
    assert realization.formulation.python_type == "bmi_dmg.BmiDeltaModel"
    assert realization.formulation.main_output_variable == "land_surface_water__runoff_depth"
    assert realization.formulation.output_variables == ("soil_water__depth",)
    assert realization.formulation.config_of("cat-2") == f"./{BMI_CONFIGS.as_posix()}/cat-2.yml"
    assert realization.formulation.variables_names_map["land_surface_air__temperature"] == "TMP_2maboveground"


def test_files_are_replaced(tmp_path: Path) -> None:
    """Writing again replaces a file and leaves nothing unfinished."""
    write_some_forcing(tmp_path)
    write_some_forcing(tmp_path)
    assert [path.name for path in (tmp_path / FORCING).parent.iterdir()] == ["forcings.nc"]
