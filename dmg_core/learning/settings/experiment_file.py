"""Experiments in YAML: every error names the file and the key."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final, get_origin

import attrs
import cattrs
import numpy as np
import yaml
from cattrs.gen import make_dict_structure_fn

from dmg_core.errors import ConfigError
from dmg_core.files import written_whole
from dmg_core.learning.settings.data import DataSettings, UnitDataSettings
from dmg_core.learning.settings.dmg_form import document_of_dmg, is_dmg_form
from dmg_core.learning.settings.experiment import Component, Experiment, SplitSettings
from dmg_core.learning.settings.start import with_start
from dmg_core.validation import (
    Node,
    WrongValueError,
    finite_number,
    flag,
    mapping,
    names,
    path,
    text,
    unknown_keys,
    whole_number,
)

EXPERIMENT_NAME: Final = "experiment.yaml"
#: Keys of the data that stand for units and gauges, and with each other.
_OF_UNITS: Final = ("units", "gauges", "membership", "forcing", "flow")
#: Keys of data of basins that name files; that of observed flow may name several.
_OF_BASINS: Final = ("file", "attributes", "basins", "observed", "units", "gauges")
_LISTED: Final = "observed"
#: Keys of the data that name files.
PATHS: Final = tuple(dict.fromkeys([*_OF_BASINS, *_OF_UNITS]))
#: Stands in a message for the key path, which is known last.
_HERE: Final = "…"
_EXPONENT: Final = re.compile(r"[-+]?\d+\.?\d*[eE][-+]?\d+")


def read_experiment(file: str | Path, changes: Mapping[str, Any] | None = None) -> Experiment:
    """Read an experiment.

    Parameters
    ----------
    file : str or Path
        YAML. Relative paths in it are relative to its folder.
    changes : mapping of str to object, optional
        Values by key path, such as ``{"data.file": path}``, that replace those of the file; relative paths among them are relative to the
        working directory.

    Raises
    ------
    ConfigError
        If the file cannot be read, keys are missing or unknown, or values have the wrong type or are out of range; all are named.
    """
    return experiment_of(with_start(read_document(file, changes), str(file)), str(file))


def read_document(file: str | Path, changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Read keys and values of a file without judging them; see :func:`read_experiment`.

    Raises
    ------
    ConfigError
        If the file cannot be read or has no keys and values.
    """
    file = Path(file)
    folder, paths = file.parent.absolute(), {"start.model", *(f"data.{key}" for key in PATHS)}
    absolute = {
        key: _resolved(key.removeprefix("data."), value, Path.cwd()) if key in paths else value for key, value in (changes or {}).items()
    }
    document = Node.read(file, "an experiment", ConfigError).value
    if is_dmg_form(document):
        document = document_of_dmg(file, document)
    return _with_plugin_folder(changed(_with_paths(document, folder), absolute), folder)


def changed(document: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Set values by key path, such as ``model.dropout``, in keys and values."""
    for key, value in changes.items():
        _replace(document, key.split("."), value)
    return document


def experiment_of(document: Mapping[str, Any], where: str) -> Experiment:
    """Make an experiment of what stands in a file.

    Parameters
    ----------
    document : mapping
        Keys and values.
    where : str
        Names the file in errors.

    Raises
    ------
    ConfigError
        As :func:`read_experiment`.
    """
    try:
        return _CONVERTER.structure(document, Experiment)
    except (cattrs.BaseValidationError, ValueError, TypeError) as error:
        problems = cattrs.transform_error(error, "", _problem)
        raise ConfigError("; ".join(_located(where, problem) for problem in problems)) from error


def document_of(experiment: Experiment) -> dict[str, Any]:
    """Keys and values of an experiment, such as YAML can hold and :func:`experiment_of` takes."""
    document: dict[str, Any] = _CONVERTER.unstructure(experiment)
    return document


def write_experiment(file: Path, experiment: Experiment) -> None:
    """Write an experiment, with all defaults, whole or not at all."""
    with written_whole(file) as stream:
        stream.write(yaml.safe_dump(document_of(experiment), sort_keys=False, allow_unicode=True).encode())


def _with_paths(document: dict[str, Any], folder: Path) -> dict[str, Any]:
    start = document.get("start")
    if isinstance(start, dict) and isinstance(start.get("model"), str):
        document = {**document, "start": {**start, "model": str(folder / start["model"])}}
    data = document.get("data")
    if not isinstance(data, dict):
        return document
    keys = _OF_UNITS if _are_of_units(data) else _OF_BASINS
    return {**document, "data": {key: _resolved(key, value, folder) if key in keys else value for key, value in data.items()}}


def _are_of_units(data: Mapping[str, Any]) -> bool:
    """Tell data of units and gauges from data of basins by the keys."""
    return "file" not in data and "reader" not in data and any(key in data for key in _OF_UNITS)


def _resolved(key: str, value: Any, folder: Path) -> Any:
    """Make paths absolute: one, or a list of files of flow; anything else, such as a list of basins, stays."""
    if isinstance(value, list) and key == _LISTED:
        return [_resolved(key, one, folder) for one in value]
    return str(folder / value) if isinstance(value, str | Path) else value


def _with_plugin_folder(document: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Say where modules are looked for: in the folder that is named, if it is still there, else in that of the file."""
    if not document.get("plugins"):
        return document
    named = document.get("plugin_folder")
    kept = folder / named if isinstance(named, str) and (folder / named).is_dir() else folder
    return {**document, "plugin_folder": kept}


def _replace(document: dict[str, Any], path: list[str], value: Any) -> None:
    for key in path[:-1]:
        if not isinstance(document.get(key), dict):
            document[key] = {}
        document = document[key]
    document[path[-1]] = value


def _problem(error: BaseException, _: type | None) -> str:
    """Say what is wrong with one value; :data:`_HERE` stands for its place."""
    if isinstance(error, cattrs.ForbiddenExtraKeysError):
        return unknown_keys(sorted(error.extra_fields), [attribute.name for attribute in attrs.fields(error.cl)], _HERE) or ""
    if isinstance(error, KeyError):
        return f"key '{_HERE}' is missing"
    if isinstance(error, WrongValueError):
        return f"{_HERE}.{error}" if error.key else f"{_HERE} {error}"
    return str(error)


def _located(where: str, problem: str) -> str:
    """Put the key path, which cattrs writes after the problem, where it belongs."""
    told, _, place = problem.rpartition(" @ ")
    place = place.strip(".")
    if _HERE in told:
        return f"{where}: {told.replace(_HERE, place) if place else told.replace(f'{_HERE}.', '')}"
    return ": ".join(part for part in (where, place, told) if part)


def _option(value: Any) -> Any:
    """Take an option as it is, but for ``1e-3``, which YAML 1.1 reads as text."""
    return float(value) if isinstance(value, str) and _EXPONENT.fullmatch(value) else value


def _basins(value: Any) -> Path | tuple[str, ...] | None:
    if value is None:
        return None
    return names(value) if isinstance(value, list | tuple) else path(value)


def _day(value: Any) -> np.datetime64:
    try:
        return np.datetime64(str(value) if isinstance(value, str | date | np.datetime64) else "", "D")
    except ValueError:
        raise WrongValueError(value, "a date such as 1999-10-01") from None


def _period(value: Any) -> tuple[np.datetime64, np.datetime64]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise WrongValueError(value, "[first day, last day]")
    return _day(value[0]), _day(value[1])


def _hook(check: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    """Make of a check what cattrs calls."""
    return lambda value, _: check(value)


def _is_made_of(kind: Any, container: type) -> bool:
    return get_origin(kind) is container


def _gather_options(converter: cattrs.Converter, cls: type) -> Callable[[Any, Any], Any]:
    """Take the keys that are no fields as options, which stand beside the fields in the file."""
    plain: Callable[[Any, Any], Any] = make_dict_structure_fn(cls, converter, _cattrs_forbid_extra_keys=True)
    fields = {attribute.name for attribute in attrs.fields(cls)} - {"options"}

    def structure(value: Any, kind: Any) -> Any:
        given = mapping(value)
        named = {key: entry for key, entry in given.items() if key in fields}
        return plain({**named, "options": {key: _option(entry) for key, entry in given.items() if key not in fields}}, kind)

    return structure


def _spread_options(converter: cattrs.Converter) -> Callable[[Any], dict[str, Any]]:
    def unstructure(value: Any) -> dict[str, Any]:
        fields = {name: converter.unstructure(entry) for name, entry in attrs.asdict(value, recurse=False).items() if name != "options"}
        return {**fields, **value.options}

    return unstructure


def _data(converter: cattrs.Converter) -> Callable[[Any, Any], Any]:
    """Take data of units and gauges, or of basins."""

    def structure(value: Any, _: Any) -> Any:
        return converter.structure(value, UnitDataSettings if _are_of_units(mapping(value)) else DataSettings)

    return structure


def _checked_mapping(converter: cattrs.Converter, cls: type) -> Callable[[Any, Any], Any]:
    plain: Callable[[Any, Any], Any] = make_dict_structure_fn(cls, converter, _cattrs_forbid_extra_keys=True)
    return lambda value, kind: plain(mapping(value), kind)


def _make_converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True)
    for kind, hook in {int: whole_number, float: finite_number, bool: flag, str: text, Path: path}.items():
        converter.register_structure_hook(kind, _hook(hook))
    converter.register_structure_hook_func(lambda kind: _is_made_of(kind, dict), _hook(mapping))
    converter.register_structure_hook_func(lambda kind: kind == tuple[str, ...], _hook(names))
    converter.register_structure_hook_func(lambda kind: kind == Path | tuple[str, ...] | None, _hook(_basins))
    converter.register_structure_hook_func(lambda kind: kind == tuple[np.datetime64, np.datetime64], _hook(_period))
    converter.register_structure_hook_func(lambda kind: kind == DataSettings | UnitDataSettings, _data(converter))
    converter.register_structure_hook_factory(lambda kind: attrs.has(kind), lambda cls: _checked_mapping(converter, cls))
    converter.register_unstructure_hook(Path, str)
    converter.register_unstructure_hook(np.datetime64, str)
    converter.register_unstructure_hook_func(
        lambda kind: _is_made_of(kind, tuple), lambda value: [converter.unstructure(entry) for entry in value]
    )
    for cls in (Component, DataSettings, SplitSettings):
        converter.register_structure_hook(cls, _gather_options(converter, cls))
        converter.register_unstructure_hook(cls, _spread_options(converter))
    return converter


_CONVERTER: Final = _make_converter()
