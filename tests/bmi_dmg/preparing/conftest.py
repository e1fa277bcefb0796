"""A folder to be prepared: three catchments, three days of weather, and a table of attributes."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from bmi_dmg.demo.synthetic_catchments import SyntheticCatchments, synthesize_catchments, write_hydrofabric
from bmi_dmg.demo.synthetic_weather import Places, synthesize_weather
from bmi_dmg.run_folder.writing import write_forcing

START = datetime(2019, 5, 1)
HOURS = 72
BASIN = synthesize_catchments(3, 9)
IDS = BASIN.ids


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a newcomer has: a hydrofabric and a forcing."""
    run_folder = tmp_path / "run"
    (run_folder / "config").mkdir(parents=True)
    write_hydrofabric(run_folder / "config" / "basin.gpkg", BASIN)
    write_forcing(run_folder, IDS, START, weather_of(BASIN))
    return run_folder


def weather_of(basin: SyntheticCatchments, hours: int = HOURS) -> dict[str, np.ndarray]:
    """Synthetic weather of a basin."""
    return dict(synthesize_weather(Places(basin.latitude, basin.longitude, basin.elevation), START, hours, 1))


@pytest.fixture
def table(tmp_path: Path, attributes: dict[str, float]) -> Path:
    """A table of attributes that lacks those of the hydrofabric, as :func:`make_model`'s models need them."""
    path = tmp_path / "attributes.csv"
    names = [name for name in attributes if name not in {"uparea", "meanelevation"}]
    lines = [",".join(["divide_id", *names])]
    lines += [",".join([catchment, *(str(attributes[name]) for name in names)]) for catchment in IDS]
    path.write_text("\n".join(lines) + "\n")
    return path
