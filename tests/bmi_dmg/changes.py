"""Changes to a run folder of three catchments and 40 days, such as those that break it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import torch
import yaml

from bmi_dmg.run_folder.writing import BMI_CONFIGS, FORCING, REALIZATION, Period, write_forcing

START = datetime(2019, 5, 1)
HOURS = 40 * 24
PERIOD = Period(START, START + timedelta(hours=HOURS - 1))
IDS = ("cat-1", "cat-2", "cat-3")

Change = Callable[[Path], object]


def set_key(*keys: str | int, value: Any) -> Change:
    """Change a value in the realization."""

    def change(folder: Path) -> None:
        content = json.loads((folder / REALIZATION).read_text())
        place = content
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value
        (folder / REALIZATION).write_text(json.dumps(content))

    return change


OUTER = ("global", "formulations", 0, "params")
MODULE = (*OUTER, "modules", 0, "params")


def set_config(catchment: str, **values: Any) -> Change:
    """Change keys of a BMI config; None removes one."""

    def change(folder: Path) -> None:
        path = folder / BMI_CONFIGS / f"{catchment}.yml"
        content = {**yaml.safe_load(path.read_text()), **values}
        path.write_text(yaml.safe_dump({key: value for key, value in content.items() if value is not None}))

    return change


def set_all_configs(**values: Any) -> Change:
    """Change keys of every BMI config."""
    return both(*(set_config(catchment, **values) for catchment in IDS))


def both(*changes: Change) -> Change:
    """Make several changes."""

    def change(folder: Path) -> None:
        for one in changes:
            one(folder)

    return change


def set_forcing(name: str, how: Callable[[np.ndarray], Any], units: str | None = None) -> Change:
    """Change the values of a forcing variable (catchments, hours), in place or by returning new ones, or its unit."""

    def change(folder: Path) -> None:
        with netCDF4.Dataset(str(folder / FORCING), "a") as dataset:
            values = np.ma.getdata(dataset[name][:])
            new = how(values)
            dataset[name][:] = values if new is None else new
            if units is not None:
                dataset[name].units = units

    return change


def put(rows: Any, hours: Any, value: float) -> Callable[[np.ndarray], None]:
    """Give a function that sets some values."""

    def how(values: np.ndarray) -> None:
        values[rows, hours] = value

    return how


def keep_values(values: np.ndarray) -> None:
    """Change nothing."""


def rewrite_forcing(ids: tuple[str, ...] = IDS, hours: slice = slice(None), without: str = "") -> Change:
    """Write the forcing anew with other catchments, hours or variables."""

    def change(folder: Path) -> None:
        with netCDF4.Dataset(str(folder / FORCING)) as dataset:
            rows = [min(i, len(IDS) - 1) for i in range(len(ids))]
            names = [name for name in dataset.variables if name not in {"ids", "Time", without}]
            weather = {name: np.ma.getdata(dataset[name][:])[rows][:, hours] for name in names}
        write_forcing(folder, ids, START + timedelta(hours=hours.start or 0), weather)

    return change


def set_time(how: Callable[[np.ndarray], None], units: str = "s") -> Change:
    """Change the times of the forcing."""

    def change(folder: Path) -> None:
        with netCDF4.Dataset(str(folder / FORCING), "a") as dataset:
            values = np.ma.getdata(dataset["Time"][:])
            how(values)
            dataset["Time"][:] = values
            dataset["Time"].units = units

    return change


def skip_hours(values: np.ndarray) -> None:
    """Leave out three hours after the hundredth."""
    values[:, 100:] += 3 * 3600


def shift_one(values: np.ndarray) -> None:
    """Shift the times of the last catchment by a day."""
    values[2] += 86400


def remove(*names: str) -> Change:
    """Remove files or folders."""

    def change(folder: Path) -> None:
        for name in names:
            path = folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return change


def write(name: str, text: str) -> Change:
    """Write a file."""

    def change(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)

    return change


def drop_tensor(folder: Path) -> None:
    """Take a tensor out of the weights."""
    (path,) = (folder / "model").glob("*.pt")
    weights = torch.load(path, weights_only=True)
    del weights["nn_model.lstminv.linear_out.bias"]
    torch.save(weights, path)
