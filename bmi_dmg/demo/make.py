"""A complete example that needs no data: a synthetic run folder, prepared for the pretrained model, a run, and its hydrographs.

The stores start empty, so the first months are drier than they would be.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np

from bmi_dmg.demo.synthetic_catchments import synthesize_catchments, write_hydrofabric
from bmi_dmg.demo.synthetic_weather import Places, synthesize_weather
from bmi_dmg.driver.run import run
from bmi_dmg.plots import plot_hydrographs
from bmi_dmg.preparing.prepare import prepare
from bmi_dmg.pretrained import CONUS_DAILY, copy_shipped_model
from bmi_dmg.report import REPORT
from bmi_dmg.results.reading import RunResults
from bmi_dmg.run_folder.writing import Period, write_forcing
from bmi_dmg.run_plan.lifecycle import RunError
from dmg_core.errors import ConfigError
from dmg_core.files import written_whole

START: Final = datetime(2018, 1, 1)
#: Weather there is at least: what the climate of the catchments is computed from.
CLIMATE_DAYS: Final = 730
SEED: Final = 7
PICTURE: Final = "hydrographs.png"
MODEL: Final = "model"
README: Final = "README.txt"
#: First line of the README of every demo; without it, a folder is not taken for one.
TITLE: Final = "Demo of bmi-dmg"
#: What a demo replaces in an earlier one.
OWN: Final = ("config", "forcings", MODEL, "outputs", PICTURE, REPORT)

TEXT: Final = f"""{TITLE}

Everything here but the model is invented: {{n}} catchments and their weather ({{period.start}} to {{period.end}} UTC, hourly).
Nothing is to be learned from it about any real catchment. The model is {CONUS_DAILY}, trained on real basins; see {MODEL}/README.md.

  config/      hydrofabric, realization and BMI configs, as for ngen
  forcings/    weather
  {MODEL}/       model folder: config, statistics, weights
  outputs/     results: ngen/cat-*.csv and catchments.nc
  {PICTURE}

The model starts with empty stores, so the first months are drier than they should be.

Run it again with 'bmi-dmg run' and this folder, or in ngen. 'bmi-dmg demo' makes it anew and replaces all of the above.
"""


@dataclass(frozen=True)
class WaterBalance:
    """Water of a run as it has counted it, mm over the area of its catchments.

    Attributes
    ----------
    days : int
        Length of the run.
    precipitation, evapotranspiration, runoff : float
        Sums.
    regional_gain : float
        Groundwater gained from the region (negative: lost to it).
    storage_change : float
        In snow, soil and groundwater, and on the way to the outlet.
    residual : float
        What all terms together leave unexplained.
    """

    days: int
    precipitation: float
    evapotranspiration: float
    runoff: float
    regional_gain: float
    storage_change: float
    residual: float


@dataclass(frozen=True)
class DemoResult:
    """What a demo has left behind.

    Attributes
    ----------
    run_folder : Path
        The run folder, with the model folder in it.
    dataset : Path
        NetCDF file of all results.
    picture : Path
        PNG of the hydrographs.
    n_catchments : int
        Number of catchments.
    balance : WaterBalance
        Where the water went.
    """

    run_folder: Path
    dataset: Path
    picture: Path
    n_catchments: int
    balance: WaterBalance

    def summary(self) -> str:
        """Say in a few lines what was run and where the water went."""
        water = self.balance
        return (
            f"{self.n_catchments} synthetic catchments, {water.days} days from empty stores, model {CONUS_DAILY}\n"
            f"Water balance in mm: rain and snow {water.precipitation:.0f} = evapotranspiration {water.evapotranspiration:.0f} "
            f"+ runoff {water.runoff:.0f} + storage change {water.storage_change:.0f} + loss to the region {-water.regional_gain:.0f} "
            f"(unexplained: {water.residual:.0e})\n"
            f"Runoff ratio: {water.runoff / water.precipitation:.2f}"
        )


def make_demo(
    out: str | os.PathLike[str], *, n_catchments: int = 10, days: int = 730, seed: int = SEED, progress: bool = True
) -> DemoResult:
    """Write a synthetic run folder, prepare it for the pretrained model, run it, and draw the hydrographs.

    Parameters
    ----------
    out : path
        Folder to write; it must be new, empty, or an earlier demo, which is replaced.
    n_catchments : int
        Number of catchments, at least 2.
    days : int
        Length of the run.
    seed : int
        Of all random numbers.
    progress : bool
        Show a progress bar on stderr.

    Raises
    ------
    ConfigError
        If the folder holds something else; it is left alone then.
    """
    folder = Path(out).resolve()
    period = Period(START, START + timedelta(days=days, hours=-1))
    _prepare(folder, n_catchments, period)
    _write_inputs(folder, n_catchments, period, seed)
    result = run(folder, progress=progress)
    picture = plot_hydrographs(folder, folder / PICTURE)
    return DemoResult(folder, result.dataset, picture, n_catchments, _water_balance(folder, days))


def _prepare(folder: Path, n_catchments: int, period: Period) -> None:
    """Make the folder, or take away what an earlier demo has written."""
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file; the demo needs a folder")
    if folder.is_dir() and any(folder.iterdir()) and not _is_demo(folder):
        raise ConfigError(f"{folder} is not empty and not an earlier demo, so nothing is written there; name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    for path in (folder / name for name in OWN):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    with written_whole(folder / README) as stream:
        stream.write(TEXT.format(n=n_catchments, period=period).encode())


def _is_demo(folder: Path) -> bool:
    readme = folder / README
    return readme.is_file() and readme.read_bytes().startswith(f"{TITLE}\n".encode())


def _write_inputs(folder: Path, n_catchments: int, period: Period, seed: int) -> None:
    catchments = synthesize_catchments(n_catchments, seed)
    days = max((period.end - period.start) // timedelta(days=1) + 1, CLIMATE_DAYS)
    weather = synthesize_weather(Places(catchments.latitude, catchments.longitude, catchments.elevation), period.start, 24 * days, seed)
    write_forcing(folder, catchments.ids, period.start, weather)
    (folder / "config").mkdir()
    write_hydrofabric(folder / "config" / "synthetic.gpkg", catchments)
    copy_shipped_model(folder / MODEL)
    prepare(folder, folder / MODEL, start=period.start, end=period.end)


def _water_balance(folder: Path, days: int) -> WaterBalance:
    """Read what the run has counted, and average it over the area."""
    with RunResults(folder) as results:
        counted = results.budget_table(range(len(results.ids)))
        area = results.area
    if counted is None:
        raise RunError(f"{folder}: the run has left no table of its water budget")
    water = {name: float(np.average(values, weights=area)) for name, values in counted.items()}
    return WaterBalance(
        days=days,
        precipitation=water["precipitation"],
        evapotranspiration=water["aet"],
        runoff=water["runoff"],
        regional_gain=water["regional_exchange"],
        storage_change=water["storage_change"],
        residual=water["residual"],
    )
