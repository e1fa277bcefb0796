"""Reader of CAMELS-US in its original form: a text file of weather and one of flow for each basin (Newman et al. 2015)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dmg_core.data.basins import BasinData
from dmg_core.data.camels import CamelsSeries, put_together
from dmg_core.data.daily_flow import without_impossible
from dmg_core.data.units import millimetres_per_day
from dmg_core.errors import ConfigError, ForcingError

FloatArray = NDArray[np.float64]
Dates = NDArray[np.datetime64]

FORCING_FOLDER: Final = Path("basin_mean_forcing/daymet")
FORCING_ENDING: Final = "_lump_cida_forcing_leap.txt"
FLOW_FOLDER: Final = Path("usgs_streamflow")
FLOW_ENDING: Final = "_streamflow_qc.txt"

#: Lines above the series: latitude, elevation (m), area (m²), and the names of the columns.
HEADER_LINES: Final = 4
#: Series -> column of a forcing file, its unit in the name.
SERIES: Final = {"precipitation": "prcp(mm/day)", "lowest": "tmin(c)", "highest": "tmax(c)"}
COLUMNS: Final = tuple(SERIES.values())

SQUARE_METRES_PER_SQUARE_KILOMETRE: Final = 1e6
#: A flow that is not known, by its value or by its flag.
MISSING_FLOW, MISSING_FLAG = -999.0, "M"


def read_camels_text(
    folder: str | Path, attributes_file: str | Path | None = None, ids: Sequence[str] | None = None, attributes: Sequence[str] | None = None
) -> BasinData:
    """Read basins of CAMELS-US from ``basin_dataset_public_v1p2``.

    Flow (ft³/s there) becomes mm/d over the area that the forcing's file names. The days are those that the weather of all basins has.

    Parameters
    ----------
    folder : str or Path
        With ``basin_mean_forcing/daymet/<huc>/<gauge>_lump_cida_forcing_leap.txt`` and ``usgs_streamflow/<huc>/<gauge>_streamflow_qc.txt``.
    attributes_file, ids, attributes
        See :func:`dmg_core.data.camels.read_camels`; by default all basins that have both files, in the order of their numbers.

    Raises
    ------
    ForcingError
        If a file cannot be read, has other columns, lacks days, or has values in other units; if a basin has several files.
    AttributeTableError
        If the table does not give the attributes.
    ConfigError
        If basins have no files; they are named.
    """
    files = _chosen_files(Path(folder), ids)
    weather = [_read_weather(forcing) for forcing, _ in files.values()]
    dates = _common_days(Path(folder), weather)
    values = np.stack([basin.values[np.searchsorted(basin.dates, dates[0]) :][: len(dates)] for basin in weather], axis=1)
    cubic_feet = np.stack([_aligned(*_read_flow(flow), dates) for _, flow in files.values()], axis=1)
    area = np.array([basin.area for basin in weather])
    flow = cubic_feet * millimetres_per_day("ft3/s", area, str(folder))
    series = CamelsSeries(
        ids=tuple(files),
        dates=dates,
        **{name: values[..., COLUMNS.index(column)] for name, column in SERIES.items()},
        flow=without_impossible(flow, area, tuple(files), dates, str(folder)),
        area=area,
        latitude=np.array([basin.latitude for basin in weather]),
        elevation=np.array([basin.elevation for basin in weather]),
    )
    return put_together(series, None if attributes_file is None else Path(attributes_file), attributes)


@dataclass(frozen=True, eq=False)
class _Weather:
    """What a forcing file holds: degrees, m, km², days, and values by :data:`COLUMNS`, shape (T, 3)."""

    latitude: float
    elevation: float
    area: float
    dates: Dates
    values: FloatArray


def _chosen_files(folder: Path, ids: Sequence[str] | None) -> dict[str, tuple[Path, Path]]:
    """Gauge -> its files of weather and flow."""
    weather, flow = _files(folder / FORCING_FOLDER, FORCING_ENDING), _files(folder / FLOW_FOLDER, FLOW_ENDING)
    gauges = sorted(weather.keys() & flow.keys()) if ids is None else ids
    missing = [gauge for gauge in gauges if gauge not in weather or gauge not in flow]
    if missing or not gauges:
        whose = ", ".join(missing) or "any basin"
        raise ConfigError(f"{folder}: no {FORCING_FOLDER}/*/*{FORCING_ENDING} and {FLOW_FOLDER}/*/*{FLOW_ENDING} of {whose}")
    return {gauge: (weather[gauge], flow[gauge]) for gauge in gauges}


def _common_days(folder: Path, weather: Sequence[_Weather]) -> Dates:
    first, last = max(basin.dates[0] for basin in weather), min(basin.dates[-1] for basin in weather)
    if first > last:
        raise ForcingError(f"{folder}: the basins' weather has no day in common; one begins on {first}, another ends on {last}")
    return np.arange(first, last + 1)


def _files(folder: Path, ending: str) -> dict[str, Path]:
    """Gauge -> its file."""
    found: dict[str, Path] = {}
    for file in sorted(folder.glob(f"*/*{ending}")):
        gauge = file.name.removesuffix(ending)
        if gauge in found:
            raise ForcingError(f"basin {gauge} has two files: {found[gauge]} and {file}; only one can be right")
        found[gauge] = file
    return found


def _read_weather(file: Path) -> _Weather:
    try:
        with file.open() as stream:
            latitude, elevation, area = (float(stream.readline()) for _ in range(HEADER_LINES - 1))
            names = stream.readline().lower().split()
            table = np.loadtxt(stream, ndmin=2)
        missing = [name for name in COLUMNS if name not in names]
        if missing:
            raise ForcingError(f"{file}: no columns {', '.join(missing)}; it has {', '.join(names)}")
        dates, values = _days(table[:, :3]), table[:, [names.index(name) for name in COLUMNS]]
    except (OSError, ValueError, IndexError) as error:
        raise ForcingError(f"{file}: is no file of daily weather: {error}") from error
    gaps = np.flatnonzero(np.diff(dates) != np.timedelta64(1, "D"))
    if len(gaps):
        raise ForcingError(f"{file}: {dates[gaps[0]]} is followed by {dates[gaps[0] + 1]}, expected the next day")
    return _Weather(latitude, elevation, area / SQUARE_METRES_PER_SQUARE_KILOMETRE, dates, values)


def _read_flow(file: Path) -> tuple[Dates, FloatArray]:
    """Days and flow in ft³/s, NaN where it is missing."""
    try:
        table = np.loadtxt(file, dtype=str, ndmin=2)
        dates, flow, flags = _days(table[:, 1:4].astype(np.float64)), table[:, 4].astype(np.float64), table[:, 5]
    except (OSError, ValueError, IndexError) as error:
        raise ForcingError(f"{file}: is no file of daily flow: {error}") from error
    return dates, np.where((flow == MISSING_FLOW) | (flags == MISSING_FLAG), np.nan, flow)


def _days(year_month_day: FloatArray) -> Dates:
    year, month, day = year_month_day.astype(np.int64).T
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    days: Dates = months.astype("datetime64[D]") + (day - 1).astype("timedelta64[D]")
    return days


def _aligned(days: Dates, flow: FloatArray, dates: Dates) -> FloatArray:
    """Flow on ``dates``; NaN on those that are not among its days."""
    known = dict(zip(days.tolist(), flow.tolist(), strict=True))
    return np.array([known.get(day, np.nan) for day in dates.tolist()])
