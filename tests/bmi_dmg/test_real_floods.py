"""Run folders of the multi-timescale model made of real catchments and real hourly weather: stepping and batches give the same."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import yaml

from bmi_dmg.driver.run import run
from bmi_dmg.run_folder.writing import BMI_CONFIGS, FORCING, Period, write_forcing, write_realization
from tests.bmi_dmg.juniata import demand_all_digits, read_attributes

START = datetime(2000, 1, 1)
RUNOFF = "land_surface_water__runoff_volume_flux"
COLUMNS = (RUNOFF, "land_surface_water__evapotranspiration_volume_flux", "snowpack__liquid-equivalent_depth", "soil_water__depth")

#: Days before the first anchor of the published windows.
LEAD_IN = 358


def write_configs(folder: Path, attributes: dict[str, dict[str, float]], warmup: dict[str, int]) -> None:
    """BMI configs in NGIAB's dialect; a divide's channel is as long as Hack's law has it (1.4 A^0.6, miles)."""
    for catchment, values in attributes.items():
        area = values.pop("areasqkm")
        size = {"catchsize": area, "lengthkm": 1.4 * 1.609 * (area / 2.59) ** 0.6}
        settings = {"catchment_id": catchment, "model_dir": "./model", "time_step": "1 hour", "start_time": START, "warmup": warmup}
        path = folder / BMI_CONFIGS / f"{catchment}.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump({**values, **size, **settings}), encoding="utf-8")


def aorc_weather(shared: Path, days: int, count: int) -> dict[str, np.ndarray]:
    """A year of AORC, over and over; each catchment has it an hour later than the one before, and its own share of the rain."""
    share = np.linspace(0.6, 1.4, count)[:, None]
    later = np.arange(count)[:, None]
    weather = {}
    with netCDF4.Dataset(str(shared / "data" / "ngiab_cat-2861474" / FORCING)) as dataset:
        for name in set(dataset.variables) - {"ids", "Time"}:
            year = np.asarray(dataset[name][0], np.float32)[: 364 * 24]
            hours = year[(np.arange(24 * days) - later) % len(year)]
            weather[name] = (hours * share).astype(np.float32) if name == "precip_rate" else hours
    return weather


def flood_folder(shared: Path, folder: Path, catchments: Sequence[str], days: int, warmup: dict[str, int]) -> Path:
    """A run folder of Juniata catchments with the multi-timescale model of the reference figures."""
    known = read_attributes(shared, "areasqkm")
    write_configs(folder, {catchment: known[catchment] for catchment in catchments}, warmup)
    write_forcing(folder, catchments, START, aorc_weather(shared, days, len(catchments)))
    write_realization(folder, Period(START, START + timedelta(days=days, hours=-1)), COLUMNS)
    demand_all_digits(folder)
    shutil.copytree(shared / "parity" / "bmi_dhbv_2_mts" / "model", folder / "model")
    return folder


def results_of(folder: Path) -> dict[str, np.ndarray]:
    """Values (N, hours) by column."""
    with netCDF4.Dataset(str(folder / "outputs" / "catchments.nc")) as dataset:
        return {column: np.asarray(dataset[column][:]) for column in COLUMNS}


def step_and_compare(folder: Path, count: int, days: int) -> dict[str, np.ndarray]:
    """Run a folder by the hour and in blocks; all results and budgets are the same to the last bit, and the budgets close."""
    outcomes = []
    for fast in (False, True):
        assert run(folder, progress=False, fast=fast).n_steps == 24 * days
        outcomes.append((results_of(folder), (folder / "outputs" / "budget.csv").read_text(encoding="utf-8")))
    (stepped, stepped_budget), (batched, batched_budget) = outcomes
    for column in COLUMNS:
        assert stepped[column].shape == (count, 24 * days)
        assert np.array_equal(stepped[column], batched[column]), column
    assert stepped_budget == batched_budget

    table = np.genfromtxt(folder / "outputs" / "budget.csv", delimiter=",", names=True, deletechars="", dtype=None, encoding="utf-8")
    assert len(table) == count
    assert (np.abs(table["residual[mm]"]) < 1e-9 * table["precipitation[mm]"]).all()
    assert (table["reanchoring[mm]"] != 0.0).all()
    return stepped


def test_some_juniata_catchments_have_the_same_floods_by_the_hour_and_in_blocks(shared: Path, tmp_path: Path) -> None:
    """Six real catchments with short windows, through several anchors."""
    warmup = {"daily_warmup_days": 14, "hourly_warmup_hours": 48}
    catchments = list(read_attributes(shared))[::140]
    flows = step_and_compare(flood_folder(shared, tmp_path, catchments, 40, warmup), len(catchments), 40)[RUNOFF]
    assert (flows > 0.0).all()


@pytest.mark.slow
def test_all_juniata_catchments_have_the_same_floods_by_the_hour_and_in_blocks(shared: Path, tmp_path: Path) -> None:
    """All 794 real catchments, with the published windows, for 60 days after the first anchor."""
    days = LEAD_IN + 60
    catchments = list(read_attributes(shared))
    flows = step_and_compare(flood_folder(shared, tmp_path, catchments, days, {}), 794, days)[RUNOFF]
    assert (flows[:, 24 * LEAD_IN :] > 0.0).all()
