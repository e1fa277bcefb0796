from __future__ import annotations

import math
import subprocess
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from bmi_dmg.driver.outputs import RunOutputs
from bmi_dmg.driver.settings import OutputSettings
from bmi_dmg.run_folder.hydrofabric import Catchments
from bmi_dmg.run_plan.lifecycle import Variable
from bmi_dmg.run_plan.plan import Output

CATCHMENTS = Catchments(("cat-1", "cat-20"), np.array([2.0, 3.0]), np.array([-77.0, -78.0]), np.array([40.0, 41.0]))
OUTPUTS = (
    Output(Variable("land_surface_water__runoff_depth", "m", np.float64, 1), "q"),
    Output(Variable("snow", "mm", np.float32, 1), "snow"),
    Output(Variable("water_in_soil", "mm", np.float64, 1), None),
)
N_STEPS = 5
BLOCK = {
    "land_surface_water__runoff_depth": np.array([[0.1, 1e-7], [1 / 3, 123456789.123], [0.0, 1e20], [-2.5, 1234567.891], [100.0, 1e-5]]),
    "snow": np.arange(10, dtype=np.float32).reshape(5, 2),
    "water_in_soil": np.arange(10.0).reshape(5, 2) / 7,
}


@pytest.fixture
def settings(tmp_path: Path) -> OutputSettings:
    """Settings of a five-hour run over a leap day."""
    return OutputSettings(
        csv_folder=tmp_path / "outputs" / "ngen",
        dataset=tmp_path / "outputs" / "catchments.nc",
        start=datetime(2020, 2, 28, 22),
        n_steps=N_STEPS,
        precision=9,
        outputs=OUTPUTS,
        attributes={"main_output_variable": "land_surface_water__runoff_depth"},
    )


def write(settings: OutputSettings, cuts: Sequence[int] = (0, N_STEPS), catchments: Catchments = CATCHMENTS) -> None:
    """Write the block in the stretches between ``cuts``."""
    with RunOutputs(settings, catchments) as outputs:
        for first, last in pairwise(cuts):
            outputs.write(first, {name: values[first:last] for name, values in BLOCK.items()})


@pytest.mark.parametrize("cuts", [(0, 5), (0, 1, 4, 5)])
def test_csv_has_ngens_form(settings: OutputSettings, cuts: Sequence[int]) -> None:
    """Step, time and values to nine significant digits, as C++ prints them, however the run is cut."""
    write(settings, cuts)
    assert (settings.csv_folder / "cat-20.csv").read_text() == (
        "Time Step,Time,q,snow\n"
        "0,2020-02-28 22:00:00,1e-07,1\n"
        "1,2020-02-28 23:00:00,123456789,3\n"
        "2,2020-02-29 00:00:00,1e+20,5\n"
        "3,2020-02-29 01:00:00,1234567.89,7\n"
        "4,2020-02-29 02:00:00,1e-05,9\n"
    )
    assert (settings.csv_folder / "cat-1.csv").read_text().splitlines()[2] == "1,2020-02-28 23:00:00,0.333333333,2"


@pytest.mark.parametrize("precision", [3, 17])
def test_precision_is_the_number_of_significant_digits(settings: OutputSettings, precision: int) -> None:
    """17 digits give the bits back, 3 give three digits."""
    write(_with(settings, precision=precision))
    value = (settings.csv_folder / "cat-1.csv").read_text().splitlines()[2].split(",")[2]
    assert value == {3: "0.333", 17: "0.33333333333333331"}[precision]


def test_numbers_are_printed_as_by_cpp(settings: OutputSettings, tmp_path: Path) -> None:
    """A stream of C++ with setprecision prints the same digits, for numbers of all sizes."""
    compiler = _compiler()
    rng = np.random.default_rng(3)
    values = np.concatenate(
        [rng.normal(size=60) * 10.0 ** rng.integers(-20, 20, 60), [0.0, 1.0, 1e9, 1e8, 999999999.6, math.inf, math.nan]]
    )
    source = "#include <iostream>\n#include <iomanip>\n#include <cstdlib>\n#include <string>\n" + (
        "int main(){std::string s;std::cout<<std::setprecision(9);while(std::cin>>s)std::cout<<std::strtod(s.c_str(),0)<<'\\n';}"
    )
    (tmp_path / "print.cpp").write_text(source)
    subprocess.run([compiler, "-o", str(tmp_path / "print"), str(tmp_path / "print.cpp")], check=True)
    text = "\n".join(float(value).hex() if math.isfinite(value) else str(value) for value in values)
    expected = subprocess.run([str(tmp_path / "print")], input=text, capture_output=True, text=True, check=True).stdout.split()
    settings = _with(settings, n_steps=len(values), outputs=OUTPUTS[:1])
    with RunOutputs(settings, Catchments(("cat-1",))) as outputs:
        outputs.write(0, {"land_surface_water__runoff_depth": values[:, None]})
    lines = (settings.csv_folder / "cat-1.csv").read_text().splitlines()[1:]
    assert [line.split(",")[2] for line in lines] == expected


def _compiler() -> str:
    from shutil import which

    compiler = which("g++") or which("c++")
    if compiler is None:
        pytest.skip("no C++ compiler to compare with")
    return compiler


def _with(settings: OutputSettings, **changes: Any) -> OutputSettings:
    from dataclasses import replace

    return replace(settings, **changes)


@pytest.mark.parametrize("cuts", [(0, 5), (0, 1, 4, 5)])
def test_the_dataset_holds_everything(settings: OutputSettings, cuts: Sequence[int]) -> None:
    """All variables, times, ids, areas and positions come back from the NetCDF file without loss."""
    write(settings, cuts)
    with xr.open_dataset(settings.dataset) as dataset:
        for name, values in BLOCK.items():
            assert dataset[name].dims == ("catchment", "time")
            np.testing.assert_array_equal(dataset[name].values, values.T)
        assert dataset["catchment_id"].values.tolist() == ["cat-1", "cat-20"]
        np.testing.assert_array_equal(dataset["time"].values, np.datetime64("2020-02-28T22") + np.arange(5) * np.timedelta64(1, "h"))
        np.testing.assert_array_equal(dataset["area"].values, [2.0, 3.0])
        np.testing.assert_array_equal(dataset["latitude"].values, [40.0, 41.0])


def test_the_dataset_follows_cf(settings: OutputSettings) -> None:
    """The attributes by which CF-1.8 knows a collection of time series are there, and every variable has its unit."""
    write(settings)
    with xr.open_dataset(settings.dataset, decode_cf=False) as dataset:
        assert dataset.attrs["Conventions"] == "CF-1.8"
        assert dataset.attrs["featureType"] == "timeSeries"
        assert dataset.attrs["main_output_variable"] == "land_surface_water__runoff_depth"
        assert dataset["catchment_id"].attrs["cf_role"] == "timeseries_id"
        assert dataset["time"].attrs["units"] == "hours since 2020-02-28 22:00:00"
        runoff = dataset["land_surface_water__runoff_depth"].attrs
        assert (runoff["units"], runoff["long_name"], runoff["coordinates"]) == ("m", "q", "catchment_id longitude latitude")
        assert dataset["water_in_soil"].attrs["long_name"] == "water in soil"


def test_catchments_without_hydrofabric_have_no_place(settings: OutputSettings) -> None:
    """Unknown areas and positions are left out, not filled with something."""
    write(settings, catchments=Catchments(("cat-1", "cat-20")))
    with xr.open_dataset(settings.dataset) as dataset:
        assert not {"area", "latitude", "longitude"} & set(dataset.variables)


def test_nothing_is_in_place_before_the_end(settings: OutputSettings) -> None:
    """While a run goes on, neither table nor dataset can be seen; afterwards nothing hidden is left."""
    with RunOutputs(settings, CATCHMENTS) as outputs:
        outputs.write(0, BLOCK)
        assert list(settings.csv_folder.glob("cat-*.csv")) == []
        assert not settings.dataset.exists()
    assert {path.name for path in settings.csv_folder.iterdir()} == {"cat-1.csv", "cat-20.csv"}
    assert {path.name for path in settings.dataset.parent.iterdir()} == {"catchments.nc", "ngen"}


def _interrupted(settings: OutputSettings, error: type[BaseException]) -> None:
    with RunOutputs(settings, CATCHMENTS) as outputs:
        outputs.write(0, {name: values * 2 for name, values in BLOCK.items()})
        raise error


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_interrupted_run_leaves_the_old_files(settings: OutputSettings, error: type[BaseException]) -> None:
    """After an error or Ctrl-C the files of an earlier run are untouched and nothing else is there."""
    write(settings)
    before = {path: path.read_bytes() for path in settings.dataset.parent.rglob("*") if path.is_file()}
    with pytest.raises(error):
        _interrupted(settings, error)
    assert {path: path.read_bytes() for path in settings.dataset.parent.rglob("*") if path.is_file()} == before
    assert len(list(settings.csv_folder.iterdir())) == 2
