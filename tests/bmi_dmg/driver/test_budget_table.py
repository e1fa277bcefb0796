from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import ModuleType

import netCDF4
import numpy as np
import pytest

from bmi_dmg.driver.run import run
from bmi_dmg.run_folder.writing import FORCING
from bmi_dmg.variables import RUNOFF_DEPTH

MakeRun = Callable[..., Path]

START = datetime(2000, 5, 1)
TERMS = ("precipitation", "regional_exchange", "increments", "reanchoring", "aet", "runoff", "leaked", "storage_change", "residual")


def table_of(folder: Path) -> dict[str, dict[str, float]]:
    """Rows of ``outputs/budget.csv`` by catchment, columns by their heads."""
    with (folder / "outputs" / "budget.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {row.pop("catchment"): {head: float(value) for head, value in row.items()} for row in rows}


@pytest.mark.parametrize("physics", ["Hbv_2", "Hbv_2_hourly", "Hbv_2_1_hourly"])
@pytest.mark.parametrize("hour", [0, 5])
def test_budget_of_our_model(make_own_run: MakeRun, physics: str, hour: int) -> None:
    """The table says where the water of each catchment came from and went, in mm; it closes, and its runoff is what was reported."""
    folder = make_own_run(START, 30, START.replace(hour=hour), 24 * 20 + 3, physics=physics)
    run(folder, progress=False)
    table = table_of(folder)
    assert list(table) == ["cat-1", "cat-2", "cat-10"]
    assert list(table["cat-1"])[: len(TERMS)] == [f"{name}[mm]" for name in TERMS]
    with netCDF4.Dataset(str(folder / FORCING)) as dataset:
        rain = 3600.0 * np.asarray(dataset["precip_rate"][:, hour : hour + 24 * 20 + 3], np.float64).sum(1)
    with netCDF4.Dataset(str(folder / "outputs" / "catchments.nc")) as dataset:
        reported = 1000.0 * np.asarray(dataset[RUNOFF_DEPTH][:]).sum(1)
        for name in TERMS:
            assert dataset[f"budget_{name}"].units == "mm"
            assert dataset[f"budget_{name}"].dimensions == ("catchment",)
            np.testing.assert_allclose(dataset[f"budget_{name}"][:], [row[f"{name}[mm]"] for row in table.values()], rtol=1e-8)
    np.testing.assert_allclose([row["precipitation[mm]"] for row in table.values()], rain, rtol=1e-6)
    np.testing.assert_allclose([row["runoff[mm]"] for row in table.values()], reported, rtol=1e-6)
    assert max(abs(row["residual[mm]"]) for row in table.values()) < 1e-10
    assert all(row["aet[mm]"] > 0.0 and row["storage_change[mm]"] != 0.0 for row in table.values())


def test_missing_weather_is_counted(make_own_run: MakeRun) -> None:
    """Hours in which an input was missing stand in the table, input by input."""
    folder = make_own_run(START, 5, START, 96, missing_forcing="zero_rain")
    with netCDF4.Dataset(str(folder / FORCING), "a") as dataset:
        dataset["precip_rate"][0, 10:17] = dataset["TMP_2maboveground"][2, 50] = np.nan
    run(folder, progress=False)
    missing = {head: [row[head] for row in table_of(folder).values()] for head in table_of(folder)["cat-1"] if head.startswith("missing_")}
    assert missing == {
        "missing_atmosphere_water__liquid_equivalent_precipitation_rate[h]": [7.0, 0.0, 0.0],
        "missing_land_surface_air__temperature[h]": [0.0, 0.0, 1.0],
    }
    with netCDF4.Dataset(str(folder / "outputs" / "catchments.nc")) as dataset:
        assert list(dataset["budget_missing_land_surface_air__temperature"][:]) == [0, 0, 1]


def test_a_restarted_run_counts_its_own_water(make_own_run: MakeRun) -> None:
    """From a restart file, whose sums go on, the table still tells the water of this run alone."""
    first = make_own_run(START, 30, START, 24 * 10, name="first", checkpoint={"path": "./state", "every": 240})
    run(first, progress=False)
    second = make_own_run(START, 30, START.replace(day=11), 48, name="second", initial_state=str(first / "state"))
    run(second, progress=False)
    with netCDF4.Dataset(str(second / FORCING)) as dataset:
        rain = 3600.0 * np.asarray(dataset["precip_rate"][:, 240:288], np.float64).sum(1)
    table = table_of(second)
    np.testing.assert_allclose([row["precipitation[mm]"] for row in table.values()], rain, rtol=1e-6)
    assert max(abs(row["residual[mm]"]) for row in table.values()) < 1e-10


@pytest.mark.parametrize(("units", "expected", "factor"), [("mm", "mm", 1.0), ("m", "mm", 1000.0), ("kg", "kg", 1.0)])
def test_a_class_with_a_mass_balance(make_run: MakeRun, recorded: ModuleType, units: str, expected: str, factor: float) -> None:
    """Of a class that knows ngen's mass balance the four terms and their residual are told, in mm where they are depths."""
    folder = make_run(config={"mass_units": units, "lost_at_step": 2})
    run(folder, progress=False)
    row = table_of(folder)["cat-2"]
    assert list(row) == [f"{name}[{expected}]" for name in ("mass_in", "mass_out", "mass_stored", "mass_leaked", "residual")]
    assert list(row.values()) == pytest.approx([30.0 * factor, 15.0 * factor, 14.75 * factor, 0.0, 0.25 * factor], rel=1e-5)


def test_a_class_without_a_mass_balance(make_run: MakeRun, recorded: ModuleType) -> None:
    """A class that does not know it has no table, and one left over from another run goes."""
    folder = make_run()
    (folder / "outputs").mkdir()
    (folder / "outputs" / "budget.csv").write_text("catchment\n")
    run(folder, progress=False)
    assert not (folder / "outputs" / "budget.csv").exists()
    with netCDF4.Dataset(str(folder / "outputs" / "catchments.nc")) as dataset:
        assert not [name for name in dataset.variables if name.startswith("budget_")]
