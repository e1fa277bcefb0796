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

from dmg_core.errors import ConfigError
from dmg_core.validation import Node, WrongValueError, flag, mapping, one_of, text, whole_number

STEP_SECONDS = 3600
TIME_FORMAT = "%Y-%m-%d %H:%M:%S"
ID_TOKEN = "{{id}}"
#: What names a catchment in NGWPC's fork, where the token becomes a number.
FORK_TOKEN = "cat-{{id}}"
PROVIDERS = ("NetCDF", "CsvPerFeature")
#: A provider that ngen does not know.
ZARR = "Zarr"
GROUPINGS = ("per_feature", "per_formulation")
DEFAULT_OUTPUT_ROOT = "./outputs/ngen"
STATE_SAVING = ("serialization", "state_saving")
ONLY_NGEN = ("catchments", "layers", *STATE_SAVING)
OUTPUT_KEYS = frozenset({"output_variables", "output_header_fields"})
#: Keys that mean something here, by the section they stand in; ngen has others besides.
_TOP = ("time", "global", "output", "output_root", "disable_catchment_output", *ONLY_NGEN)
_TIME = ("start_time", "end_time", "output_interval")
_OUTPUT = ("root", "precision", "catchment")
_GLOBAL = ("formulations", "forcing")
_FORCING = ("provider", "path", "file_pattern")
_MODULE = ("name", "params")
_PARAMS = (
    *("python_type", "module_path", "init_config", "main_output_variable", "variables_names_map", "output_variables"),
    *("output_header_fields", "allow_exceed_end_time", "model_params", "mass_balance", "uses_forcing_file", "forcing_file", "modules"),
)


@dataclass(frozen=True)
class ForcingSettings:
    """Where the weather comes from.

    Attributes
    ----------
    provider : str
        ``"NetCDF"``, ``"CsvPerFeature"`` or, without ngen, ``"Zarr"``.
    path : Path
        The NetCDF file, the Zarr store, or the folder of the CSV files; of no meaning where there is a URL.
    file_pattern : str or None
        Regular expression with ``{{id}}`` for the names of the CSV files; None otherwise.
    url : str or None
        Where a file or store is that is not in this machine's file system, as fsspec reads it.
    run_folder : Path or None
        Where the hydrofabric is whose divides are cut out of a grid.
    """

    provider: str
    path: Path
    file_pattern: str | None
    url: str | None = None
    run_folder: Path | None = None

    @property
    def place(self) -> str:
        """URL or path."""
        return self.url or str(self.path)


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
    top = _known(Node.read(find_realization(folder), "a realization", ConfigError), _TOP)
    for key in ONLY_NGEN:
        if key not in passing_over and top.value.get(key):
            raise top.error(f"'{key}' can only be run by ngen; remove it to run without ngen")
    start, end = _times(_section(top, "time", _TIME))
    output = _section(top, "output", _OUTPUT) if "output" in top.value else None
    root = top.get("output_root", text, DEFAULT_OUTPUT_ROOT)
    every = _section(top, "global", _GLOBAL)
    return Realization(
        path=top.file,
        formulation=_formulation(every, folder),
        forcing=_forcing(_section(every, "forcing", _FORCING), folder),
        start=start,
        end=end,
        output_root=folder / (output.get("root", text, root) if output else root),
        precision=output.get("precision", whole_number, 9) if output else 9,
        tables=_tables(top, output),
    )


def _section(parent: Node, key: str, known: tuple[str, ...]) -> Node:
    return _known(parent.require(key), known)


def _only_entry(parent: Node, key: str, known: tuple[str, ...]) -> Node:
    entries = parent.require(key)
    if not isinstance(entries.value, list) or len(entries.value) != 1:
        raise entries.wrong("a list of exactly one entry; only that can be run without ngen")
    return _known(Node(entries.file, f"{entries.path}[0]", entries.value[0], entries.kind), known)


def _known(section: Node, known: tuple[str, ...]) -> Node:
    """Refuse misspelt keys, and null, which ngen reads as a word; keys that ngen alone knows may stand beside the known ones."""
    for key, child in section.refuse_slips(known).children().items():
        if key in known and child.value is None:
            raise child.wrong("a value; leave the key out to have none")
    return section


def _tables(top: Node, output: Node | None) -> str:
    """How ngen is to write the catchments' CSV files."""
    if output is None:
        return "none" if top.get("disable_catchment_output", flag, False) else GROUPINGS[0]
    if "catchment" not in output.value:
        return GROUPINGS[0]
    catchment = _section(output, "catchment", ("grouping", "enable"))
    grouping = catchment.get("grouping", one_of(*GROUPINGS), GROUPINGS[0])
    return grouping if catchment.get("enable", flag, True) else "none"


def _times(time: Node) -> tuple[datetime, datetime]:
    interval = time.require("output_interval")
    if interval.to(whole_number) != STEP_SECONDS:
        raise interval.wrong(f"{STEP_SECONDS}, because ngen steps catchments hourly")
    start, end = (time.require(key).to(_time) for key in ("start_time", "end_time"))
    if end < start or (end - start).total_seconds() % STEP_SECONDS:
        raise time.require("end_time").wrong(f"a whole number of hours after start_time ({start})")
    return start, end


def _time(value: Any) -> datetime:
    try:
        return datetime.strptime(text(value), TIME_FORMAT)
    except ValueError:
        raise WrongValueError(value, "the form 2000-01-31 00:00:00") from None


def _forcing(forcing: Node, folder: Path) -> ForcingSettings:
    provider = forcing.get("provider", _provider, PROVIDERS[1])
    given = forcing.require("path").to(text)
    if "://" in given or provider == ZARR:
        return _remote_forcing(forcing, provider, given, folder)
    path = folder / given
    if provider == "CsvPerFeature" and path.suffix == ".nc":
        raise forcing.error(f"provider is missing or CsvPerFeature: ngen would read {path.name} as CSV; set it to NetCDF")
    pattern = forcing.get("file_pattern", text) if provider == "CsvPerFeature" else None
    if pattern is None and provider == "CsvPerFeature" and not path.is_file():  # ngen gives all catchments the one file, if it is one
        raise forcing.missing("file_pattern")
    return ForcingSettings(provider=provider, path=path, file_pattern=pattern)


def _remote_forcing(forcing: Node, provider: str, given: str, folder: Path) -> ForcingSettings:
    """Give settings of forcing that ngen does not read: behind a URL, or in Zarr."""
    if provider == PROVIDERS[1]:
        raise forcing.error(f"provider is missing or {provider}, which is not read from a URL; set it to {PROVIDERS[0]} or {ZARR}")
    url = given if "://" in given else None
    return ForcingSettings(provider, folder / given, None, url, folder)


def _provider(value: Any) -> str:
    return PROVIDERS[1] if value == "" else one_of(*PROVIDERS, ZARR)(value)  # as ngen takes it where it is left out


def _formulation(top: Node, folder: Path) -> Formulation:
    outer = _only_entry(top, "formulations", _MODULE)
    name = outer.require("name").to(text)
    outer_params = params = _section(outer, "params", _PARAMS)
    if name == "bmi_multi":
        module = _only_entry(outer_params, "modules", _MODULE)
        name, params = module.require("name").to(text), _section(module, "params", _PARAMS)
    if name != "bmi_python":
        raise ConfigError(
            f"{top.file}: formulation '{name}' can only be run by ngen; without ngen only 'bmi_python', alone or as the one module of a "
            "'bmi_multi', can be run"
        )
    _refuse_forcing_file(params)
    module_path = params.get("module_path", text)
    return Formulation(
        python_type=params.require("python_type").to(text),
        module_path=None if module_path is None else folder / module_path,
        init_config=params.require("init_config").to(text).replace(FORK_TOKEN, ID_TOKEN),
        main_output_variable=outer_params.require("main_output_variable").to(text),
        variables_names_map=params.get("variables_names_map", _names_map, {}),
        **_output_columns(outer_params if OUTPUT_KEYS & outer_params.value.keys() else params),
        allow_exceed_end_time=outer_params.get("allow_exceed_end_time", flag, False),
        model_params=_model_params(params),
        mass_balance=_mass_balance(params) if "mass_balance" in params.value else None,
        is_nested=params is not outer_params,
    )


def _refuse_forcing_file(params: Node) -> None:
    for key, right in (("uses_forcing_file", False), ("forcing_file", "")):
        given = params.find(key)
        if given is not None and given.value != right:
            raise given.wrong(f"{json.dumps(right)}, or no such key; BMI modules get their forcing from ngen")


def _names_map(value: Any) -> Mapping[str, str]:
    given = mapping(value)
    if not given or not all(isinstance(name, str) for name in given.values()):
        raise WrongValueError(value, "a map of names to names; ngen refuses an empty one, so leave the key out")
    return given


def _output_columns(params: Node) -> dict[str, tuple[str, ...] | None]:
    variables, headers = params.get("output_variables", _list), params.get("output_header_fields", _list)
    if headers is not None and (variables is None or len(headers) != len(variables)):
        raise params.require("output_header_fields").wrong("one entry for each of output_variables")
    return {"output_variables": variables, "output_header_fields": headers}


def _list(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise WrongValueError(value, "a list of names")
    return tuple(text(name) for name in value)


def _mass_balance(params: Node) -> MassBalanceSettings:
    block = _section(params, "mass_balance", ("check", "tolerance", "fatal", "frequency"))
    if not block.value:
        raise block.error("is empty, which ngen refuses; leave the key out, or give it a tolerance")
    return MassBalanceSettings(
        check=block.get("check", flag, True),
        tolerance=block.get("tolerance", _json_number, 1e-16),
        fatal=block.get("fatal", flag, False),
        frequency=block.get("frequency", _frequency, 1),
    )


def _json_number(value: Any) -> float:
    if type(value) not in (int, float):
        raise WrongValueError(value, "a number")
    return float(value)


def _frequency(value: Any) -> int:
    if whole_number(value) < 1 and value != -1:
        raise WrongValueError(value, "a number of hours from 1, or -1 for the end")
    return whole_number(value)


def _model_params(params: Node) -> Mapping[str, float | list[float]]:
    given = params.find("model_params")
    for child in given.children().values() if given else ():
        numbers = child.value if isinstance(child.value, list) else [child.value]
        if not numbers or not all(type(each) in (int, float) for each in numbers):
            raise child.wrong("a number or a list of numbers, which is all that can be set without ngen")
    return dict(given.value) if given else {}
