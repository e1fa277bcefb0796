"""Experiments in YAML: every error names the file and the key."""

from __future__ import annotations

import math
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

from dmg_core.documents import load_yaml
from dmg_core.errors import ConfigError
from dmg_core.files import written_whole
from dmg_core.learning.settings.experiment import Component, DataSettings, Experiment, SplitSettings

EXPERIMENT_NAME: Final = "experiment.yaml"
#: Keys that name files, by the section they stand in.
_PATHS: Final = ("file", "attributes", "basins")
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
    return experiment_of(read_document(file, changes), str(file))


def read_document(file: str | Path, changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Read keys and values of a file without judging them; see :func:`read_experiment`.

    Raises
    ------
    ConfigError
        If the file cannot be read or has no keys and values.
    """
    file = Path(file)
    folder, paths = file.parent.absolute(), {f"data.{key}" for key in _PATHS}
    absolute = {
        key: Path(value).absolute() if key in paths and isinstance(value, str | Path) else value for key, value in (changes or {}).items()
    }
    return _with_plugin_folder(changed(_with_paths(_read_yaml(file), folder), absolute), folder)


def changed(document: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Set values by key path, such as ``model.dropout``, in keys and values."""
    for path, value in changes.items():
        _replace(document, path.split("."), value)
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


def _read_yaml(file: Path) -> dict[str, Any]:
    try:
        document = load_yaml(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read as an experiment: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{file}: is not YAML: {error}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{file}: expected keys and values, found {type(document).__name__}")
    return document


def _with_paths(document: dict[str, Any], folder: Path) -> dict[str, Any]:
    data = document.get("data")
    if not isinstance(data, dict):
        return document
    resolved = {key: folder / value if key in _PATHS and isinstance(value, str) else value for key, value in data.items()}
    return {**document, "data": resolved}


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
    """Say what is wrong with one value."""
    if isinstance(error, cattrs.ForbiddenExtraKeysError):
        known = ", ".join(attribute.name for attribute in attrs.fields(error.cl))
        return f"unknown keys: {', '.join(sorted(error.extra_fields))}; known are {known}"
    if isinstance(error, KeyError):
        return "is missing"
    return str(error)


def _located(where: str, problem: str) -> str:
    """Put the key path, which cattrs writes after the problem, between file and problem."""
    text, _, path = problem.rpartition(" @ ")
    return ": ".join(part for part in (where, path.strip("."), text) if part)


def _whole_number(value: Any, _: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"expected a whole number, found {value!r}")
    return value


def _number(value: Any, _: Any) -> float:
    """Take a number; YAML 1.1 reads ``1e-3`` as text, which counts as the number it looks like."""
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"expected a number, found {value!r}")
    return number


def _option(value: Any) -> Any:
    """Take an option as it is, but for ``1e-3``, which YAML 1.1 reads as text."""
    return float(value) if isinstance(value, str) and _EXPONENT.fullmatch(value) else value


def _flag(value: Any, _: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"expected true or false, found {value!r}")
    return value


def _text(value: Any, _: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected text, found {value!r}; text that looks like a number needs quotes")
    return value


def _path(value: Any, _: Any) -> Path:
    if not isinstance(value, str | Path):
        raise ValueError(f"expected a path, found {value!r}")
    return Path(value)


def _names(value: Any, _: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError(f"expected a list of names, found {value!r}")
    names = tuple(_text(name, str) for name in value)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"listed twice: {', '.join(twice)}")
    return names


def _basins(value: Any, _: Any) -> Path | tuple[str, ...] | None:
    if value is None:
        return None
    return _names(value, None) if isinstance(value, list | tuple) else _path(value, None)


def _day(value: Any, _: Any) -> np.datetime64:
    if not isinstance(value, str | date | np.datetime64):
        raise ValueError(f"expected a date such as 1999-10-01, found {value!r}")
    try:
        return np.datetime64(str(value), "D")
    except ValueError as error:
        raise ValueError(f"expected a date such as 1999-10-01, found {value!r}") from error


def _period(value: Any, _: Any) -> tuple[np.datetime64, np.datetime64]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError(f"expected [first day, last day], found {value!r}")
    return _day(value[0], None), _day(value[1], None)


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"expected keys and values, found {value!r}")
    return dict(value)


def _is_made_of(kind: Any, container: type) -> bool:
    return get_origin(kind) is container


def _gather_options(converter: cattrs.Converter, cls: type) -> Callable[[Any, Any], Any]:
    """Take the keys that are no fields as options, which stand beside the fields in the file."""
    plain: Callable[[Any, Any], Any] = make_dict_structure_fn(cls, converter, _cattrs_forbid_extra_keys=True)
    fields = {attribute.name for attribute in attrs.fields(cls)} - {"options"}

    def structure(value: Any, kind: Any) -> Any:
        given = _mapping(value)
        named = {key: entry for key, entry in given.items() if key in fields}
        return plain({**named, "options": {key: _option(entry) for key, entry in given.items() if key not in fields}}, kind)

    return structure


def _spread_options(converter: cattrs.Converter) -> Callable[[Any], dict[str, Any]]:
    def unstructure(value: Any) -> dict[str, Any]:
        fields = {name: converter.unstructure(entry) for name, entry in attrs.asdict(value, recurse=False).items() if name != "options"}
        return {**fields, **value.options}

    return unstructure


def _checked_mapping(converter: cattrs.Converter, cls: type) -> Callable[[Any, Any], Any]:
    plain: Callable[[Any, Any], Any] = make_dict_structure_fn(cls, converter, _cattrs_forbid_extra_keys=True)
    return lambda value, kind: plain(_mapping(value), kind)


def _make_converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True)
    for kind, hook in {int: _whole_number, float: _number, bool: _flag, str: _text}.items():
        converter.register_structure_hook(kind, hook)
    converter.register_structure_hook(Path, _path)
    converter.register_structure_hook_func(lambda kind: _is_made_of(kind, dict), lambda value, _: _mapping(value))
    converter.register_structure_hook_func(lambda kind: kind == tuple[str, ...], _names)
    converter.register_structure_hook_func(lambda kind: kind == Path | tuple[str, ...] | None, _basins)
    converter.register_structure_hook_func(lambda kind: kind == tuple[np.datetime64, np.datetime64], _period)
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
