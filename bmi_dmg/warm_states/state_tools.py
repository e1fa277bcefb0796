"""What is in a file of states: shown as a table, exported for people as NetCDF, compared with another."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bmi_dmg.stepping.daily import FLOW, HOURS, HOURS_PER_DAY
from bmi_dmg.stepping.layout import HourLayout
from bmi_dmg.variables import COMPUTED, TEMPERATURE
from bmi_dmg.warm_states.state_contents import (
    MISSING,
    array_of,
    descriptions_in,
    layout_in,
    members_in,
    process_of,
    storage_of,
    stores_in,
)
from dmg_core.assimilation.cycle import PREFIX
from dmg_core.engine.arrays import INCREMENTS, SERIES_FIELDS, STATE_FIELDS
from dmg_core.engine.remembered import ATTRIBUTES, CALIBRATION
from dmg_core.engine.state import States
from dmg_core.engine.state_access import LSTM_PARTS, part_name
from dmg_core.ensembles.engine import LAST
from dmg_core.errors import ConfigError, StateError, WriteError
from dmg_core.files import path_written_whole
from dmg_core.models import Layout

Array = npt.NDArray[Any]

#: Catchments shown where none are named.
SHOWN: Final = 20

#: Arrays of a state besides those of the engine: what a catchment works on by the hour, and what multi-timescale models keep.
_OF_THE_BMI: Final = ("hours", "weather", MISSING, "reported", "day", "day_sums", "latitude", LAST)
_OF_WINDOWS: Final = ("hours_seen", "day_begun", "reanchored", "hour_window", "day_window")
_OF_THE_DAILY_MODEL: Final = "daily_"


def show(states: States, catchments: Sequence[str] = ()) -> str:
    """Say what is in some states.

    Parameters
    ----------
    states : States
        The states.
    catchments : sequence of str
        Which to put into the table; the first ones by default.

    Raises
    ------
    StateError
        If one of them is not there.
    """
    rows = [states.row_of(catchment, "show") for catchment in catchments] or list(range(min(len(states), SHOWN)))
    lines = list(_header(states))
    for name, part in members_in(states).items():
        lines += ["", *([f"member {name}:"] if name else []), *_table(part, rows)]
    if not catchments and len(states) > len(rows):
        lines.append(f"… and {len(states) - len(rows)} more; name catchments to see them, or export the file")
    return "\n".join([*lines, *_missing(states, rows)])


def _header(states: States) -> Iterator[str]:
    yield f"{len(states)} catchments, next hour {_span(states.times)}"
    about, members = states.identity.description, descriptions_in(states)
    yield "model: " + ", ".join(f"{key} {_words(members if key == 'members' else value)}" for key, value in about.items())
    for name, one in members.items():
        yield f"member {name}: " + ", ".join(f"{key} {_words(value)}" for key, value in one.items())
    yield f"fingerprint: {states.identity.digest}"
    yield "arrays: " + ", ".join(f"{name} {'×'.join(map(str, array.shape[1:])) or '1'} {array.dtype}" for name, array in _sorted(states))
    size = sum(array.nbytes for array in states.arrays.values())
    yield f"size: {size / max(len(states), 1):.0f} bytes per catchment, {size / 1e6:.3g} MB"


def _words(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list | dict) else str(value)


def _span(times: Sequence[str]) -> str:
    first, last = min(times, default="of none"), max(times, default="of none")
    return first if first == last else f"{first} to {last}"


def _sorted(states: States) -> list[tuple[str, Array]]:
    return sorted(states.arrays.items())


def _table(states: States, rows: Sequence[int]) -> Iterator[str]:
    """Give stores (mean, least and largest of the components), storage, mm, and hours of missing forcing, a line for each catchment."""
    stores, storage, missing = stores_in(states), storage_of(states), array_of(states, MISSING)
    width = max([len("catchment"), *(len(states.ids[row]) for row in rows)])
    units = [store.unit for store in process_of(states).stores]
    heads = [f"{name.replace('_', ' ') + f', {unit}':>24}" for name, unit in zip(stores, units, strict=True)]
    yield f"{'catchment':<{width}} {' '.join(heads)} {'storage, mm':>12} {'missing, h':>10}"
    for row in rows:
        cells = [_cell(values[row]) for values in stores.values()]
        yield f"{states.ids[row]:<{width}} {' '.join(cells)} {storage[row]:>12.4g} {int(missing[row].sum()):>10}"


def _cell(values: Array) -> str:
    spread = f"{values.mean():.4g} ({values.min():.4g}–{values.max():.4g})"
    return f"{spread:>24}"


def _missing(states: States, rows: Sequence[int]) -> Iterator[str]:
    """Name the inputs that were missing."""
    counts, inputs = array_of(states, MISSING), layout_in(states).inputs
    for row in rows:
        for variable, hours in zip(inputs, counts[row], strict=True):
            if hours:
                yield f"{states.ids[row]}: {variable.name} was missing in {int(hours)} hours"


# --- export ------------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Variable:
    """A variable of the NetCDF file, over catchments and, maybe, more."""

    name: str
    dimensions: tuple[str, ...]
    units: str
    long_name: str
    values: Array


def export(states: States, path: Path) -> None:
    """Write states as NetCDF after CF-1.8, for people.

    Raises
    ------
    ConfigError
        If the file cannot be written.
    StateError
        If the states are of a form that this software does not know.
    """
    import netCDF4

    variables = list(_variables(states))
    try:
        with path_written_whole(path) as unfinished, netCDF4.Dataset(str(unfinished), "w", format="NETCDF4") as dataset:
            _write(dataset, states, variables)
    except WriteError as error:
        raise ConfigError(str(error)) from error


def _write(dataset: Any, states: States, variables: Sequence[_Variable]) -> None:
    dataset.setncatts(
        {
            "Conventions": "CF-1.8",
            "title": f"states of catchments of a δ{process_of(states).family} model",
            "model": json.dumps(states.identity.description, ensure_ascii=False),
            "fingerprint": states.identity.digest,
        }
    )
    dataset.createDimension("catchment", len(states))
    ids = dataset.createVariable("catchment_id", str, ("catchment",))
    ids.setncatts({"cf_role": "timeseries_id", "long_name": "catchment id"})
    ids[:] = np.array(states.ids, dtype=object)
    time = dataset.createVariable("time", "i8", ("catchment",))
    attributes = {"standard_name": "time", "long_name": "start of the next hour", "calendar": "standard"}
    time.setncatts({**attributes, "units": "hours since 1970-01-01 00:00:00"})
    time[:] = [int((_time(text) - datetime(1970, 1, 1)).total_seconds()) // 3600 for text in states.times]
    for member, part in members_in(states).items():
        _label(dataset, f"{member}_flow_path".lstrip("_"), [flux.routed_name for flux in process_of(part).fluxes if flux.routed])
    for each in variables:
        _write_variable(dataset, each)


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise StateError(f"the time {text!r} is none") from error


def _label(dataset: Any, name: str, labels: Sequence[str]) -> None:
    """Name the places along a dimension."""
    dataset.createDimension(name, len(labels))
    dataset.createVariable(name, str, (name,))[:] = np.array(labels, dtype=object)


def _write_variable(dataset: Any, each: _Variable) -> None:
    for name, size in zip(each.dimensions, each.values.shape[1:], strict=True):
        if name not in dataset.dimensions:
            dataset.createDimension(name, size)
    variable = dataset.createVariable(each.name, each.values.dtype, ("catchment", *each.dimensions), compression="zlib", complevel=1)
    variable.setncatts({"units": each.units, "long_name": each.long_name, "coordinates": "catchment_id time"})
    variable[:] = each.values


def _variables(states: States) -> Iterator[_Variable]:
    """Give all that the arrays of a state hold, each by a name of its own; of members of an ensemble with the member's name in front."""
    for member, part in members_in(states).items():
        yield from (_of_member(member, each) if member else each for each in _variables_of_model(part))
    yield from _variables_of_hours(states)


def _of_member(member: str, each: _Variable) -> _Variable:
    dimensions = tuple(f"{member}_{dimension}" for dimension in each.dimensions)
    return replace(each, name=f"{member}_{each.name}", dimensions=dimensions, long_name=f"{member}: {each.long_name}")


def _variables_of_model(states: States) -> Iterator[_Variable]:
    process = process_of(states)
    for store, (name, values) in zip(process.stores, stores_in(states).items(), strict=True):
        yield _Variable(name, ("component",), store.unit, name.replace("_", " "), values)
    yield _Variable("storage", (), "mm", "water held, under way included", storage_of(states))
    yield _Variable(
        "water_under_way", ("flow_path", "arrival_step"), "mm", "routed water by its step of arrival", states.arrays["in_transit"]
    )
    yield from _network(states)
    budget = (*Layout.of(process).budget, INCREMENTS)
    for name, values in zip(budget, array_of(states, "budget").T, strict=True):
        yield _Variable(f"sum_of_{name}", (), "mm", f"water budget: sum of {name.replace('_', ' ')}", values)
    yield _Variable("initial_storage", (), "mm", "water budget: water held when the sums were zero", array_of(states, "initial_storage"))
    yield from _remembered(states)
    if "hour_window" in states.arrays:
        yield from _windows(states)
    if "parameters" in states.arrays:
        yield from _static_parameters(states)


def _variables_of_hours(states: States) -> Iterator[_Variable]:
    """Give what a catchment works on by the hour, whatever its model."""
    yield _Variable("hours", (), "h", "hours on the clock of the BMI", array_of(states, "hours")[:, 0])
    yield from _weather(states)
    latitude = states.arrays.get("latitude", np.zeros((len(states), 0)))
    if latitude.shape[1]:
        yield _Variable("latitude", (), "degrees_north", "latitude of the catchment", latitude[:, 0])
    if "day" in states.arrays:
        yield from _unfinished_day(states)
    # States of an earlier version have only the first of them.
    for variable, values in zip(layout_in(states).outputs, array_of(states, "reported").T, strict=False):
        yield _Variable(f"reported_{variable.name}", (), variable.units, f"reported now: {variable.meaning}", values)


def _network(states: States) -> Iterator[_Variable]:
    """Give the parts of the network's state: whatever nobody else has put there."""
    known = {*STATE_FIELDS, *SERIES_FIELDS, *_OF_THE_BMI, *_OF_WINDOWS, ATTRIBUTES, CALIBRATION}
    for part, values in states.arrays.items():
        if part not in known and not part.startswith((_OF_THE_DAILY_MODEL, PREFIX)):
            name = part_name(part)
            text = f"{name.removeprefix('network_').replace('_', ' ')} state of the network"
            size = "hidden_unit" if part in LSTM_PARTS else f"{name}_unit"
            yield _Variable(name, (size,), "1", text, values)


def _weather(states: States) -> Iterator[_Variable]:
    counts, weather = array_of(states, MISSING), array_of(states, "weather")
    for place, variable in enumerate(layout_in(states).inputs):
        name = variable.name.replace("~", "_")
        yield _Variable(f"last_{name}", (), variable.units, f"last good hour: {variable.meaning}", weather[:, place])
        yield _Variable(f"missing_{name}", (), "h", f"hours in which this was missing: {variable.meaning}", counts[:, place])


def _remembered(states: States) -> Iterator[_Variable]:
    """Give what the states remember of their catchments, those of an earlier version nothing."""
    if ATTRIBUTES in states.arrays:
        yield _Variable(ATTRIBUTES, ("attribute",), "1", "attributes, in the order of the model", states.arrays[ATTRIBUTES])
    if CALIBRATION in states.arrays:
        text = "for each parameter: whether a value was set, the value, the multiplier"
        yield _Variable(CALIBRATION, ("parameter", "setting"), "1", text, states.arrays[CALIBRATION])


def _unfinished_day(states: States) -> Iterator[_Variable]:
    day, sums, layout = array_of(states, "day"), array_of(states, "day_sums"), layout_in(states)
    yield _Variable("day_hours", (), "h", "unfinished day: hours", day[:, HOURS])
    for place, kept in enumerate(layout.kept):
        what, units = _what_is_kept(layout, place)
        word = _WORDS[kept.aggregate]
        values = day[:, place] / np.maximum(day[:, HOURS], 1.0) if kept.aggregate == "mean" else day[:, place]
        values = values if kept.aggregate == "sum" else _where_hours(day, values)
        text = f"{word} {what.replace('_', ' ')}".strip()
        yield _Variable(f"day_{word}{'_' if word else ''}{what}", (), units, f"unfinished day: {text} so far", values)
    yield _Variable("day_before_runoff", (), "mm", "runoff of the last complete day, which is being reported", sums[:, FLOW])
    for label, values in zip(layout.entering_labels, sums[:, FLOW + 1 :].T, strict=True):
        name = "never_simulated" if label == PRECIPITATION else f"never_simulated_{label}"
        yield _Variable(name, (), "mm", f"{label} of a first day without its first hours", values)


#: How what is kept of a day is called, by how its hours become one value.
_WORDS: Final = {"sum": "", "mean": "mean", "min": "lowest", "max": "highest"}
PRECIPITATION: Final = "precipitation"


def _what_is_kept(layout: HourLayout, place: int) -> tuple[str, str]:
    """Give name and unit of a number of an unfinished day: of a forcing, or of the temperature that a method needs."""
    if place >= len(layout.forcings):
        return "temperature", TEMPERATURE.units
    forcing = layout.forcings[place]
    return "potential_evapotranspiration" if forcing.name == COMPUTED else forcing.label, forcing.unit


def _windows(states: States) -> Iterator[_Variable]:
    """Give what a multi-timescale model keeps: weather in the order of time, the daily model's state where it goes on, and its jumps."""
    seen, begun = array_of(states, "hours_seen"), array_of(states, "day_begun")
    yield _Variable("hours_seen", (), "h", "hours taken in since the catchment started from nothing", seen)
    yield _Variable("day_begun", (), "h", "hours that had been taken in when a day was begun last", begun)
    yield _Variable("sum_of_reanchoring", (), "mm", "water budget: sum of re-anchoring", array_of(states, "reanchored"))
    hours = array_of(states, "hour_window")
    not_begun = (seen % HOURS_PER_DAY == 0) & (begun != seen)
    passed = (seen - hours.shape[1] + HOURS_PER_DAY) // HOURS_PER_DAY - not_begun
    for window, end, name in ((hours, seen, "hour"), (array_of(states, "day_window"), passed, "day")):
        places = (end[:, None] + np.arange(window.shape[1])) % max(window.shape[1], 1)  # the oldest first
        for column, (kind, units) in enumerate((forcing.label, forcing.unit) for forcing in process_of(states).forcings):
            values = np.take_along_axis(window[..., column], places, axis=1)
            yield _Variable(f"last_{name}s_{kind}", (f"last_{name}",), units, f"{kind} of the last {name}s kept, the oldest first", values)
    for name in ("h", "c", "stores"):
        if f"daily_{name}" in states.arrays:
            values = states.arrays[f"daily_{name}"].reshape(len(states), -1)
            yield _Variable(f"daily_model_{name}", (f"daily_{name}",), "mm" if name == "stores" else "1", f"daily model: {name}", values)


def _where_hours(day: Array, values: Array) -> Array:
    """Put NaN where the day has no hours yet."""
    chosen: Array = np.where(day[:, HOURS] > 0.0, values, np.nan)
    return chosen


def _static_parameters(states: States) -> Iterator[_Variable]:
    table = process_of(states).parameters
    for parameter, values in zip(table, np.moveaxis(array_of(states, "parameters"), -1, 0), strict=True):
        yield _Variable(f"parameter_{parameter.symbol}", ("component",), parameter.unit, f"parameter {parameter.symbol}", values)
    yield _Variable("hydrograph", ("lag",), "1", "unit hydrograph", array_of(states, "hydrograph"))


# --- differences -------------------------------------------------------------------------------------------------------------------------


def differences(one: States, other: States) -> list[str]:
    """Say how two files of states differ; nothing if they do not, whatever the order of their catchments.

    Parameters
    ----------
    one, other : States
        The states.

    Returns
    -------
    list of str
        What differs, a line for each: the model, catchments that only one of them has, times, and arrays with their largest difference.
    """
    common = [catchment for catchment in one.ids if catchment in other.row_by_id]
    lines = [*_other_model(one, other), *_only_in_one(one.row_by_id, other.row_by_id, "catchments")]
    lines += _only_in_one(one.arrays, other.arrays, "arrays")
    first, second = (states.select([states.row_by_id[catchment] for catchment in common]) for states in (one, other))
    moved = [(catchment, *times) for catchment, *times in zip(common, first.times, second.times, strict=True) if times[0] != times[1]]
    if moved:
        lines.append(f"time: differs for {len(moved)} of {len(common)} catchments; {moved[0][0]}: {moved[0][1]} and {moved[0][2]}")
    for name, array in _sorted(first):
        if common and name in second.arrays:
            lines += _other_values(name, array, second.arrays[name], common)
    return lines


def _other_model(one: States, other: States) -> list[str]:
    if one.identity == other.identity:
        return []
    first, second = one.identity.description, other.identity.description
    keys = [key for key in sorted({*first, *second}) if first.get(key) != second.get(key)]
    what = "; ".join(f"{key} is {first.get(key)!r} and {second.get(key)!r}" for key in keys)
    return [f"model: {what or 'weights or statistics differ'}"]


def _only_in_one(first: Mapping[str, Any], second: Mapping[str, Any], what: str) -> list[str]:
    lines = []
    for place, here, there in (("first", first, second), ("second", second, first)):
        names = [name for name in here if name not in there]
        if names:
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            lines.append(f"{what}: only in the {place}: {', '.join(names[:SHOWN])}{more}")
    return lines


def _other_values(name: str, first: Array, second: Array, ids: Sequence[str]) -> list[str]:
    if first.shape[1:] != second.shape[1:] or first.dtype != second.dtype:
        return [f"{name}: {first.dtype} of shape {first.shape[1:]} and {second.dtype} of shape {second.shape[1:]}"]
    differs = (first != second).reshape(len(ids), -1)
    if not differs.any():
        return []
    size = np.abs(first.astype(np.float64) - second.astype(np.float64)).reshape(len(ids), -1)
    row, place = np.unravel_index(size.argmax(), size.shape)
    values = first.reshape(len(ids), -1)[row, place], second.reshape(len(ids), -1)[row, place]
    return [
        f"{name}: differs for {int(differs.any(1).sum())} of {len(ids)} catchments, most by {size[row, place]:.3g} for {ids[row]} "
        f"({values[0]:.9g} and {values[1]:.9g})"
    ]
