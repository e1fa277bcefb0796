"""Discharge as the services of USGS give it: instantaneous and daily values, as tab-separated text (RDB) or JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final

import numpy as np

from dmg_core.data.flow_series import FlowSeries, Found, chosen
from dmg_core.errors import ConfigError

#: USGS's codes of discharge, of the mean of a day among statistics, and the unit of the former in RDB, which does not say it.
DISCHARGE: Final = "00060"
MEAN: Final = "00003"
UNIT: Final = "ft3/s"
#: Hours that local time is ahead of UTC, by the codes that USGS has for time zones.
ZONES: Final = {
    "UTC": 0,
    "GMT": 0,
    "AST": -4,
    "ADT": -3,
    "EST": -5,
    "EDT": -4,
    "CST": -6,
    "CDT": -5,
    "MST": -7,
    "MDT": -6,
    "PST": -8,
    "PDT": -7,
    "AKST": -9,
    "AKDT": -8,
    "HST": -10,
    "HDT": -9,
    "SST": -11,
    "ChST": 10,
    "GST": 10,
}
#: The marker of a missing value, in all files.
MISSING: Final = -999999.0

_COLUMN: Final = re.compile(rf"(?:\w+_)?{DISCHARGE}(?:_(?P<statistic>\d{{5}}))?")
#: Words that stand where there is no value: ice, equipment, backwater, rating, discontinued, seasonal and so on.
_REMARK: Final = re.compile(r"[A-Za-z*_-][\w*&-]*")


class _Gathered:
    """Values of gauges as they are found in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._times: dict[str, list[np.datetime64]] = {}
        self._values: dict[str, list[float]] = {}
        self._units: dict[str, str] = {}

    def begin(self, gauge: str, unit: str) -> None:
        """Take a gauge, whose values are in a unit."""
        if self._units.setdefault(gauge, unit) != unit:
            raise ConfigError(f"{self.path}: {gauge} stands there in '{self._units[gauge]}' and in '{unit}'; keep one")
        self._times.setdefault(gauge, [])
        self._values.setdefault(gauge, [])

    def add(self, gauge: str, time: np.datetime64, value: float) -> None:
        """Take a value; markers of missing values are none."""
        self._times[gauge].append(time)
        self._values[gauge].append(np.nan if value == MISSING else value)

    def found(self, wanted: Collection[str]) -> Found:
        """Give the ids of all gauges, and the series of those that are wanted."""
        ids, series = list(self._units), {}
        for gauge, meant in chosen(ids, wanted).items():
            times, values = np.array(self._times[gauge], "datetime64[s]"), np.array(self._values[gauge], np.float64)
            series[meant] = FlowSeries(f"{self.path}: {gauge}", times, values, self._units[gauge])
        return ids, series


def read_rdb(path: Path, wanted: Collection[str]) -> Found:
    """Read instantaneous or daily values in USGS's tab-separated form (``format=rdb``), of one gauge or of several, one after the other.

    Discharge is in ft³/s there. Instantaneous values are turned from the local time they stand in into UTC. The day of a daily value is
    local, and taken for the day of that date. Words in the place of a value, such as ``Ice``, are none.

    Raises
    ------
    ConfigError
        If the file is none of that kind, has no discharge, or two series of it for a gauge; cells that cannot be read are named.
    """
    gathered = _Gathered(path)
    header: list[str] = []
    place: int | None = None
    skipped = False
    for number, line in _lines(path):
        cells = line.split("\t")
        if "site_no" in cells and "datetime" in cells:
            header, place, skipped = cells, _place_of_discharge(path, cells), False
        elif not header:
            raise ConfigError(f"{path}: line {number}: not in USGS's tab-separated form: no header with site_no and datetime before it")
        elif not skipped:
            skipped = True  # widths of the columns
        elif place is not None:
            _take_line(gathered, header, place, cells, f"{path}: line {number}")
    if not gathered.found(())[0]:
        raise ConfigError(f"{path}: no discharge (parameter {DISCHARGE}) is in this file of USGS")
    return gathered.found(wanted)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not readable as text: {error}") from error
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            yield number, line


def _place_of_discharge(path: Path, header: Sequence[str]) -> int | None:
    """Find the column of discharge: of daily values that of the mean; None if there is none."""
    columns = {place: match["statistic"] for place, name in enumerate(header) if (match := _COLUMN.fullmatch(name))}
    wanted = [place for place, statistic in columns.items() if statistic in {None, MEAN}]
    if len(wanted) > 1:
        raise ConfigError(f"{path}: two series of discharge stand side by side, {' and '.join(header[p] for p in wanted)}; keep one")
    return wanted[0] if wanted else None


def _take_line(gathered: _Gathered, header: Sequence[str], place: int, cells: Sequence[str], where: str) -> None:
    if len(cells) < len(header):
        cells = [*cells, *[""] * (len(header) - len(cells))]
    row = dict(zip(header, cells, strict=False))
    gauge, stamp, text = row["site_no"].strip(), row["datetime"].strip(), cells[place].strip()
    zone = row.get("tz_cd", "UTC").strip()
    if zone not in ZONES:
        raise ConfigError(f"{where}: the time zone {zone!r} is none that USGS has; expected one of {', '.join(ZONES)}")
    try:
        time = np.datetime64(stamp.replace(" ", "T"), "s") - np.timedelta64(3600 * ZONES[zone], "s")
    except ValueError as error:
        raise ConfigError(f"{where}: datetime is {stamp!r}, expected a date, or a date and a time") from error
    gathered.begin(gauge, UNIT)
    gathered.add(gauge, time, _value(text, where))


def _value(text: str, where: str) -> float:
    if not text or _REMARK.fullmatch(text):
        return np.nan
    try:
        return float(text)
    except ValueError as error:
        raise ConfigError(f"{where}: discharge is {text!r}, expected a number, or a remark in its place") from error


def read_json(path: Path, wanted: Collection[str]) -> Found:
    """Read instantaneous or daily values as JSON: of the water services (``format=json``), or of the newer interface (features).

    Raises
    ------
    ConfigError
        If the file is neither, has no discharge, or two series of it for a gauge; what cannot be read is named.
    """
    try:
        root = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not readable as JSON: {error}") from error
    gathered = _Gathered(path)
    try:
        if "features" in root:
            _take_features(gathered, root["features"])
        else:
            _take_series(gathered, root["value"]["timeSeries"])
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        problem = f"{type(error).__name__}: {error}"
        raise ConfigError(f"{path}: not JSON as USGS's services give it (value.timeSeries, or features): {problem}") from error
    if not gathered.found(())[0]:
        raise ConfigError(f"{path}: no discharge (parameter {DISCHARGE}) is in this file of USGS")
    return gathered.found(wanted)


def _take_series(gathered: _Gathered, series: Sequence[dict[str, Any]]) -> None:
    seen: set[str] = set()
    for one in series:
        about = one["variable"]
        statistics = [
            option.get("optionCode") for option in about.get("options", {}).get("option", []) if option.get("name") == "Statistic"
        ]
        if about["variableCode"][0]["value"] != DISCHARGE or any(code not in {None, MEAN, "00000"} for code in statistics):
            continue
        gauge = one["sourceInfo"]["siteCode"][0]["value"]
        held = [part["value"] for part in one["values"] if part["value"]]
        if len(held) > 1 or gauge in seen:
            raise ConfigError(f"{gathered.path}: {gauge} has two series of discharge; keep one")
        seen.add(gauge)
        gathered.begin(gauge, about["unit"]["unitCode"])
        for entry in held[0] if held else ():
            _take_entry(gathered, gauge, entry["dateTime"], entry["value"], float(about.get("noDataValue", MISSING)))


def _take_features(gathered: _Gathered, features: Sequence[dict[str, Any]]) -> None:
    for feature in features:
        about = feature["properties"]
        if about["parameter_code"] == DISCHARGE and about.get("statistic_id", MEAN) in {None, MEAN, "00011"}:
            gauge = about["monitoring_location_id"].partition("-")[2] or about["monitoring_location_id"]
            gathered.begin(gauge, about["unit_of_measure"])
            _take_entry(gathered, gauge, about["time"], about["value"], MISSING)


def _take_entry(gathered: _Gathered, gauge: str, stamp: str, text: Any, missing: float) -> None:
    where = f"{gathered.path}: {gauge}, {stamp}"
    value = np.nan if text is None else _value(str(text).strip(), where)
    gathered.add(gauge, _utc(stamp, where), np.nan if value == missing else value)


def _utc(stamp: str, where: str) -> np.datetime64:
    """Read a time with its distance from UTC; without one, as a date stands for itself."""
    try:
        time = datetime.fromisoformat(re.sub(r"\.\d+", "", stamp).replace("Z", "+00:00"))
    except ValueError as error:
        raise ConfigError(f"{where}: the time is {stamp!r}, expected one as in 2020-01-31T12:15:00-05:00") from error
    return np.datetime64(time if time.tzinfo is None else time.astimezone(timezone.utc).replace(tzinfo=None), "s")
