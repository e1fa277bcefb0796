"""ngen's realization file: what a run folder says is to be run.

Only what a run without ngen needs is read: one BMI Python class for all catchments, alone (``bmi_python``) or as the one module of a
``bmi_multi``. Keys that concern ngen alone (``routing``, nexus output …) are passed over; keys that would change the result and cannot be
honoured here are errors.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from dmg_core.documents import load_json
from dmg_core.errors import ConfigError

STEP_SECONDS = 3600
TIME_FORMAT = "%Y-%m-%d %H:%M:%S"
ID_TOKEN = "{{id}}"
#: What names a catchment in NGWPC's fork, where the token becomes a number.
FORK_TOKEN = "cat-{{id}}"
PROVIDERS = ("NetCDF", "CsvPerFeature")
GROUPINGS = ("per_feature", "per_formulation")
DEFAULT_OUTPUT_ROOT = "./outputs/ngen"
STATE_SAVING = ("serialization", "state_saving")
ONLY_NGEN = ("catchments", "layers", *STATE_SAVING)
OUTPUT_KEYS = frozenset({"output_variables", "output_header_fields"})
REQUIRED = object()


@dataclass(frozen=True)
class ForcingSettings:
    """Where the weather comes from.

    Attributes
    ----------
    provider : str
        ``"NetCDF"`` or ``"CsvPerFeature"``.
    path : Path
        The NetCDF file, or the folder of the CSV files.
    file_pattern : str or None
        Regular expression with ``{{id}}`` for the names of the CSV files; None with NetCDF.
    """

    provider: str
    path: Path
    file_pattern: str | None


@dataclass(frozen=True)
class MassBalanceSettings:
    """How the mass balance of a module is checked, with ngen's keys and defaults.

    Attributes
    ----------
    check : bool
        Whether it is.
    tolerance : float
        Largest absolute residual that passes, in the unit in which the module counts.
    fatal : bool
        Whether a larger one ends the run.
    frequency : int
        Hours between checks; -1 for one at the end.
    """

    check: bool = True
    tolerance: float = 1e-16
    fatal: bool = False
    frequency: int = 1


@dataclass(frozen=True)
class Formulation:
    """The BMI class of a run and how it is tied to forcing and output.

    Attributes
    ----------
    python_type : str
        ``module.Class``.
    module_path : Path or None
        Folder to import it from, besides the run folder and the installed packages.
    init_config : str
        Path given to ``initialize``, with ``{{id}}`` in place of the catchment id, also where the file has ``cat-{{id}}``, as NGWPC's fork
        needs it.
    main_output_variable : str
        BMI name, or alias, of the runoff.
    variables_names_map : Mapping[str, str]
        BMI name -> name of the forcing variable (inputs) or alias (outputs).
    output_variables, output_header_fields : tuple of str or None
        Columns of the catchment CSV and their headers; None means all outputs, under their own names.
    allow_exceed_end_time : bool
        Whether steps past the module's own end time are allowed.
    model_params : Mapping[str, float | list[float]]
        Numbers set once after ``initialize``.
    mass_balance : MassBalanceSettings or None
        How the module's mass balance is checked, if that is asked for.
    is_nested : bool
        Whether the module stands inside a ``bmi_multi``.
    """

    python_type: str
    module_path: Path | None
    init_config: str
    main_output_variable: str
    variables_names_map: Mapping[str, str]
    output_variables: tuple[str, ...] | None
    output_header_fields: tuple[str, ...] | None
    allow_exceed_end_time: bool
    model_params: Mapping[str, float | list[float]]
    mass_balance: MassBalanceSettings | None
    is_nested: bool

    def config_of(self, catchment: str) -> str:
        """Path of a catchment's BMI config, as ``initialize`` gets it."""
        return self.init_config.replace(ID_TOKEN, catchment)


@dataclass(frozen=True)
class Realization:
    """A realization file, read and checked; all paths are absolute.

    Attributes
    ----------
    path : Path
        The file.
    formulation : Formulation
        The BMI class.
    forcing : ForcingSettings
        The weather.
    start, end : datetime
        First and last time for which a step is started.
    output_root : Path
        Folder of the catchment CSV files.
    precision : int
        Significant digits in them.
    tables : {"per_feature", "per_formulation", "none"}
        Whether there is a CSV file for each catchment, one for all, or none.
    """

    path: Path
    formulation: Formulation
    forcing: ForcingSettings
    start: datetime
    end: datetime
    output_root: Path
    precision: int
    tables: str = "per_feature"

    @property
    def n_steps(self) -> int:
        """Number of hourly steps; the one that starts at ``end`` is run too, as in ngen."""
        return int((self.end - self.start).total_seconds()) // STEP_SECONDS + 1


def find_realization(run_folder: Path) -> Path:
    """Find the one realization file of a run folder.

    Raises
    ------
    ConfigError
        If ``config/`` has none or several; the message names what was found.
    """
    config = run_folder / "config"
    if not config.is_dir():
        raise ConfigError(f"{run_folder} is not a run folder: it has no folder 'config' with a *realization*.json in it")
    found = sorted(config.glob("*realization*.json"))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise ConfigError(f"{config}: expected exactly one *realization*.json, found {names}")
    return found[0]


def read_realization(run_folder: Path, *, passing_over: Collection[str] = ()) -> Realization:
    """Read the realization of a run folder.

    Parameters
    ----------
    run_folder : Path
        Folder with ``config/*realization*.json``; relative paths in the file are relative to it.
    passing_over : collection of str
        Which of :data:`ONLY_NGEN` do not matter here: all where ngen is going to run it, :data:`STATE_SAVING` where nothing is saved.

    Raises
    ------
    ConfigError
        If there is not exactly one such file, it is not JSON, lacks something, or asks for what only ngen can do.
    """
    folder = run_folder.resolve()
    path = find_realization(folder)
    try:
        content = load_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path}: not valid JSON: {error}") from error
    top = _Section(path, "", content)
    for key in ONLY_NGEN:
        if key not in passing_over and top.content.get(key):
            raise ConfigError(f"{path}: '{key}' can only be run by ngen; remove it to run without ngen")
    start, end = _times(top.section("time"))
    output = top.section("output") if "output" in top.content else _Section(path, "output", {})
    root = output.get("root", str, top.get("output_root", str, DEFAULT_OUTPUT_ROOT))
    return Realization(
        path=path,
        formulation=_formulation(top.section("global"), folder),
        forcing=_forcing(top.section("global").section("forcing"), folder),
        start=start,
        end=end,
        output_root=folder / root,
        precision=output.get("precision", int, 9),
        tables=_tables(top, output),
    )


class _Section:
    """A JSON object with its place in the file, so that every message can say where the problem is."""

    def __init__(self, path: Path, place: str, content: Any) -> None:
        if not isinstance(content, dict):
            raise ConfigError(f"{path}: '{place or 'the file'}' must be a JSON object, not {content!r}")
        self.path = path
        self.place = place
        self.content: dict[str, Any] = content

    def where(self, key: str) -> str:
        return f"{self.path}: '{self.place + '.' if self.place else ''}{key}'"

    def get(self, key: str, kind: type, default: Any = REQUIRED) -> Any:
        value = self.content.get(key, default)
        if value is REQUIRED:
            raise ConfigError(f"{self.where(key)} is missing")
        if value is not default and type(value) is not kind:
            raise ConfigError(f"{self.where(key)} must be of type {kind.__name__}, not {value!r}")
        return value

    def section(self, key: str) -> _Section:
        return _Section(self.path, f"{self.place}.{key}" if self.place else key, self.get(key, dict))

    def only_entry(self, key: str) -> _Section:
        entries = self.get(key, list)
        if len(entries) != 1:
            raise ConfigError(f"{self.where(key)} has {len(entries)} entries; only exactly one can be run without ngen")
        return _Section(self.path, f"{self.place}.{key}[0]", entries[0])


def _tables(top: _Section, output: _Section) -> str:
    """How ngen is to write the catchments' CSV files."""
    if "output" not in top.content:
        return "none" if top.get("disable_catchment_output", bool, False) else GROUPINGS[0]
    catchment = output.section("catchment") if "catchment" in output.content else _Section(top.path, "output.catchment", {})
    grouping: str = catchment.get("grouping", str, GROUPINGS[0])
    if grouping not in GROUPINGS:
        raise ConfigError(f"{catchment.where('grouping')} is {grouping!r}; known are {' and '.join(GROUPINGS)}")
    return grouping if catchment.get("enable", bool, True) else "none"


def _times(time: _Section) -> tuple[datetime, datetime]:
    interval = time.get("output_interval", int)
    if interval != STEP_SECONDS:
        raise ConfigError(f"{time.where('output_interval')} is {interval}; ngen steps catchments hourly, so it must be {STEP_SECONDS}")
    times = []
    for key in ("start_time", "end_time"):
        text = time.get(key, str)
        try:
            times.append(datetime.strptime(text, TIME_FORMAT))
        except ValueError as error:
            raise ConfigError(f"{time.where(key)} is {text!r}; expected the form 2000-01-31 00:00:00") from error
    start, end = times
    if end < start or (end - start).total_seconds() % STEP_SECONDS:
        raise ConfigError(f"{time.where('end_time')} must be a whole number of hours after start_time ({start}), not {end}")
    return start, end


def _forcing(forcing: _Section, folder: Path) -> ForcingSettings:
    provider = forcing.get("provider", str, "") or "CsvPerFeature"  # as ngen takes it where it is left out
    if provider not in PROVIDERS:
        raise ConfigError(f"{forcing.where('provider')} is {provider!r}; known are {' and '.join(PROVIDERS)}")
    path = folder / forcing.get("path", str)
    if provider == "CsvPerFeature" and path.suffix == ".nc":
        raise ConfigError(f"{forcing.where('provider')} is missing or CsvPerFeature: ngen would read {path.name} as CSV; set it to NetCDF")
    without = None if path.is_file() else REQUIRED  # ngen gives all catchments the one file then
    pattern = forcing.get("file_pattern", str, without) if provider == "CsvPerFeature" else None
    return ForcingSettings(provider=provider, path=path, file_pattern=pattern)


def _formulation(top: _Section, folder: Path) -> Formulation:
    outer = top.only_entry("formulations")
    name = outer.get("name", str)
    outer_params = outer.section("params")
    if name == "bmi_python":
        params = outer_params
    elif name == "bmi_multi":
        module = outer_params.only_entry("modules")
        name, params = module.get("name", str), module.section("params")
    if name != "bmi_python":
        raise ConfigError(
            f"{top.path}: formulation '{name}' can only be run by ngen; without ngen only 'bmi_python', alone or as the one module of a "
            "'bmi_multi', can be run"
        )
    _refuse_forcing_file(params)
    module_path = params.get("module_path", str, None)
    return Formulation(
        python_type=params.get("python_type", str),
        module_path=None if module_path is None else folder / module_path,
        init_config=params.get("init_config", str).replace(FORK_TOKEN, ID_TOKEN),
        main_output_variable=outer_params.get("main_output_variable", str),
        variables_names_map=_names_map(params),
        **_output_columns(outer_params if OUTPUT_KEYS & outer_params.content.keys() else params),
        allow_exceed_end_time=outer_params.get("allow_exceed_end_time", bool, False),
        model_params=_model_params(params),
        mass_balance=_mass_balance(params) if "mass_balance" in params.content else None,
        is_nested=params is not outer_params,
    )


def _refuse_forcing_file(params: _Section) -> None:
    for key, right in (("uses_forcing_file", False), ("forcing_file", "")):
        if params.content.get(key, right) != right:
            raise ConfigError(f"{params.where(key)} must be {json.dumps(right)} or left out; BMI modules get their forcing from ngen")


def _names_map(params: _Section) -> Mapping[str, str]:
    names = params.get("variables_names_map", dict, None)
    if names is None:
        return {}
    if not names or not all(isinstance(value, str) for value in names.values()):
        raise ConfigError(f"{params.where('variables_names_map')} must map names to names; ngen refuses an empty one, so leave the key out")
    return dict(names)


def _output_columns(params: _Section) -> dict[str, tuple[str, ...] | None]:
    variables = params.get("output_variables", list, None)
    headers = params.get("output_header_fields", list, None)
    if headers is not None and (variables is None or len(headers) != len(variables)):
        raise ConfigError(f"{params.where('output_header_fields')} must have one entry for each of output_variables")
    return {
        "output_variables": None if variables is None else tuple(variables),
        "output_header_fields": None if headers is None else tuple(headers),
    }


def _mass_balance(params: _Section) -> MassBalanceSettings:
    block = params.section("mass_balance")
    if not block.content:
        raise ConfigError(f"{params.where('mass_balance')} is empty, which ngen refuses; leave the key out, or give it a tolerance")
    settings = MassBalanceSettings(
        check=block.get("check", bool, True),
        tolerance=_number(block, "tolerance", 1e-16),
        fatal=block.get("fatal", bool, False),
        frequency=block.get("frequency", int, 1),
    )
    if settings.frequency < 1 and settings.frequency != -1:
        raise ConfigError(f"{block.where('frequency')} is {settings.frequency}; expected a number of hours from 1, or -1 for the end")
    return settings


def _number(section: _Section, key: str, default: float) -> float:
    value = section.content.get(key, default)
    if type(value) not in (int, float):
        raise ConfigError(f"{section.where(key)} must be a number, not {value!r}")
    return float(value)


def _model_params(params: _Section) -> Mapping[str, float | list[float]]:
    values = params.get("model_params", dict, {})
    for name, value in values.items():
        numbers = value if isinstance(value, list) else [value]
        if not numbers or not all(type(number) in (int, float) for number in numbers):
            key = params.where(f"model_params.{name}")
            raise ConfigError(f"{key} is {value!r}; only numbers and lists of numbers can be set without ngen")
    return dict(values)
