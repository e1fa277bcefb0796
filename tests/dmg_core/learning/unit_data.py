"""Small units above gauges whose flow a known model has made, as the files that a training with units and gauges reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from dmg_core.data import BasinData
from dmg_core.learning.settings.experiment import Experiment
from dmg_core.learning.settings.experiment_file import experiment_of
from dmg_core.routing import GaugeRouting, LaggedUnitHydrograph, Membership
from tests.dmg_core.learning.synthetic import NAMES, make_basins, make_document

#: Gauge -> units above it: two single ones, one below the first, and one below all.
GAUGES = {"01": (0,), "02": (1,), "03": (0, 2), "04": (0, 1, 2, 3)}


@dataclass
class UnitFiles:
    """Tables and series of an experiment, to be changed before they are written."""

    units: list[dict[str, Any]]
    gauges: list[dict[str, Any]]
    pairs: list[dict[str, Any]]
    forcing: xr.Dataset
    flow: dict[str, np.ndarray]
    """Header of a column -> values."""
    dates: np.ndarray

    def write(self, folder: Path) -> None:
        """Write them: units.csv, gauges.csv, pairs.csv, forcing.nc, flow.csv."""
        for name, rows in (("units", self.units), ("gauges", self.gauges), ("pairs", self.pairs)):
            lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
            (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
        self.forcing.to_netcdf(folder / "forcing.nc")
        columns = zip(*self.flow.values(), strict=True)
        cells = [",".join("" if np.isnan(value) else f"{value:.17g}" for value in row) for row in columns]
        header = ",".join(["time", *self.flow])
        rows = [f"{day},{row}" for day, row in zip(self.dates, cells, strict=True)]
        (folder / "flow.csv").write_text("\n".join([header, *rows]) + "\n")


def make_membership(basins: BasinData, gauges: dict[str, tuple[int, ...]]) -> Membership:
    """Units by the places of basins, above gauges."""
    areas = dict(zip(basins.ids, basins.upstream_area.tolist(), strict=True))
    return Membership.from_pairs([(gauge, basins.ids[unit]) for gauge, units in gauges.items() for unit in units], areas)


def make_files(gauges: dict[str, tuple[int, ...]] | None = None, *, units: int = 4, years: int = 4) -> UnitFiles:
    """Make files of units that are the basins of :func:`make_basins`, whose flow arrives at gauges with a lag of 1.3 days."""
    gauges = GAUGES if gauges is None else gauges
    basins = make_basins(units, years)
    membership = make_membership(basins, gauges)
    hydrograph = LaggedUnitHydrograph.daily()
    routing = GaugeRouting(membership, hydrograph, per="gauge")
    weights = hydrograph.weights_of(0.3, 0.2, 1.3).expand(len(gauges), -1)
    complete = torch.from_numpy(np.nan_to_num(basins.flow, nan=0.5))
    flow = routing.advance(complete, weights)[0].numpy().copy()
    flow[::50] = np.nan
    return UnitFiles(
        units=[
            {"unit_id": unit, "area_km2": area, **dict(zip(NAMES, row, strict=True)), "uparea": area, "meanelevation": height}
            for unit, area, row, height in zip(basins.ids, basins.upstream_area, basins.attributes, basins.elevation, strict=True)
        ],
        gauges=[
            {"gauge_id": gauge, "area_km2": area, "role": "train" if place < len(gauges) - 1 else "test", "size": np.log10(area)}
            for place, (gauge, area) in enumerate(zip(gauges, membership.gauge_areas, strict=True))
        ],
        pairs=[
            {"gauge_id": gauge, "unit_id": basins.ids[unit], "length_km": 5.0 * unit + 3.0 * place}
            for place, (gauge, members) in enumerate(gauges.items())
            for unit in members
        ],
        forcing=xr.Dataset(
            {
                name: (("unit_id", "time"), basins.forcing[..., column].T, {"units": unit})
                for column, (name, unit) in enumerate((("prcp", "mm/d"), ("tmean", "degC"), ("PET", "mm/d")))
            },
            {"unit_id": list(basins.ids), "time": ("time", np.arange(len(basins.dates)), {"units": f"days since {basins.dates[0]}"})},
        ),
        flow={f"{gauge}[mm d-1]": flow[:, place] for place, gauge in enumerate(gauges)},
        dates=basins.dates,
    )


def unit_document(folder: Path, *, data: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Keys and values of an experiment with these files; ``data`` adds to that section, ``changes`` replace whole sections."""
    files = {key: str(folder / f"{key}.csv") for key in ("units", "gauges", "flow")}
    pairs, weather = str(folder / "pairs.csv"), str(folder / "forcing.nc")
    sections = {"data": {**files, "membership": pairs, "forcing": weather, **(data or {})}, **changes}
    return make_document(**sections)


def unit_experiment(folder: Path, **changes: Any) -> Experiment:
    """Experiment of :func:`unit_document`."""
    return experiment_of(unit_document(folder, **changes), "made.yaml")
