"""BMI configuration of one catchment: YAML in NGIAB's dialect, read into validated settings."""

from __future__ import annotations

import difflib
import logging
import warnings
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import attrs
import yaml

from bmi_dmg.config.near_misses import refuse_slips
from bmi_dmg.variables import INPUTS
from dmg_core.documents import load_yaml
from dmg_core.engine.backends import BACKENDS
from dmg_core.errors import ConfigError
from dmg_core.ids import legal_id
from dmg_core.multi_timescale.coupling import LEAD_INS, Coupling

_log = logging.getLogger(__name__)

#: Keys that mean something here.
SETTINGS: Final = frozenset(
    {
        "catchment_id",
        "model_dir",
        "time_step",
        "start_time",
        "start_date",
        "start_hour",
        "pet_method",
        "latitude",
        "dtype",
        "device",
        "backend",
        "initial_state",
        "cold_start_missing",
        "accept_changes",
        "checkpoint",
        "missing_forcing",
        "spinup",
        "warmup",
        "lead_in",
    }
)

#: Those of them that may be attributes of the catchment as well.
ATTRIBUTES_TOO: Final = frozenset({"latitude"})

#: Keys of NGIAB's dialect that need no action here: the framework decides when a run ends, stepping is the only way to run, and so on.
WITHOUT_EFFECT: Final = frozenset({"catchment_name", "stepwise", "verbose", "end_time", "catchsize", "lengthkm"})

TIME_STEPS: Final = {"1 day": 1, "1 hour": 24}
MISSING_FORCING: Final = ("error", "hold", "zero_rain")
DTYPES: Final = ("float32", "float64")
#: Keys of ``warmup``.
WARMUP: Final = ("cycle_days", "daily_mode", "daily_warmup_days", "hourly_mode", "hourly_warmup_hours")
_TIME_FORMATS: Final = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d %H", "%Y-%m-%d")


_warned: set[str] = set()


@attrs.frozen
class CheckpointSettings:
    """When and where restart files are written.

    Attributes
    ----------
    path : Path
        Folder.
    every : int
        Hours between files.
    keep : int
        How many of the newest stay.
    """

    path: Path
    every: int = 24
    keep: int = 2


@attrs.frozen
class SpinUpSettings:
    """Weather to run a catchment through before it starts.

    The file is read by a process of its own (:mod:`bmi_dmg.spin_up.weather_process`). ``bmi-dmg spinup`` does the same beforehand.

    Attributes
    ----------
    forcing : Path
        NetCDF file in NGIAB's layout, or ngen's CSV file of this catchment, with its id in the name.
    days : int
        How many days before the start; where the file does not reach back, its first ones, repeated where there are fewer.
    """

    forcing: Path
    days: int = 365


@attrs.frozen(kw_only=True)
class BmiConfig:
    """Settings of one catchment.

    Attributes
    ----------
    path : Path
        The file they come from.
    catchment_id : str
        Such as ``cat-88306``.
    model_dir : Path
        Model folder.
    steps_per_day : int
        1 for a daily model, 24 for an hourly one.
    start_time : datetime
        Start of the first step; a full hour.
    pet_method : str
        ``penman_monteith`` or ``hargreaves``.
    latitude : float or None
        Degrees north; Hargreaves needs it.
    dtype : str
        Precision of the network.
    device, backend : str
        Where and how to compute; see :class:`dmg_core.Engine`.
    initial_state : Path or None
        Restart file or folder to start from; None to start from nothing.
    cold_start_missing : bool
        Whether a catchment that ``initial_state`` does not have starts from nothing.
    accept_changes : bool
        Whether a state that was written for other attributes, or another latitude, is a warning, not an error.
    checkpoint : CheckpointSettings or None
        Restart files to write, if any.
    missing_forcing : str
        What to do where weather is missing; see :class:`bmi_dmg.stepping.weather.Weather`.
    spinup : SpinUpSettings or None
        Weather to run through before the start, if any; not together with ``initial_state``.
    coupling : Coupling
        How the two models of a multi-timescale folder are coupled: what ``warmup`` and ``lead_in`` say.
    others : dict
        All keys that are no settings: attributes of the catchment, mostly. The latitude, which may be an attribute too, is among them.
    """

    path: Path
    catchment_id: str
    model_dir: Path
    steps_per_day: int
    start_time: datetime
    pet_method: str
    latitude: float | None
    dtype: str
    device: str
    backend: str
    initial_state: Path | None
    cold_start_missing: bool
    accept_changes: bool
    checkpoint: CheckpointSettings | None
    missing_forcing: str
    spinup: SpinUpSettings | None
    coupling: Coupling
    others: dict[str, Any]

    def attributes(self, names: Iterable[str]) -> dict[str, float]:
        """Attributes of the catchment by name.

        Raises
        ------
        ConfigError
            If some are missing or no numbers (all are named), or if a key looks like a slip of the pen.
        """
        wanted = list(names)
        refuse_slips(self.path, self.others, known=[*wanted, *WITHOUT_EFFECT, *SETTINGS])
        _warn_of_unknown(self.path, self.others, known=[*wanted, *WITHOUT_EFFECT, *SETTINGS])
        missing = [name for name in wanted if name not in self.others]
        if missing:
            raise ConfigError(f"{self.path}: catchment {self.catchment_id} lacks the attributes {', '.join(missing)}")
        return {name: _number(self.path, name, self.others[name]) for name in wanted}


def read_config(path: str | Path) -> BmiConfig:
    """Read the BMI configuration of a catchment.

    Parameters
    ----------
    path : str or Path
        YAML file in NGIAB's dialect. Relative paths in it are looked for in the working directory, as ngen does, then beside the file.

    Raises
    ------
    ConfigError
        If the file is missing, no YAML, or a setting is missing or wrong; file and key are named.
    """
    file = Path(path)
    values = _read_yaml(file)
    # A setting that is not there may have been misspelled; one that is there may have a neighbour among the attributes.
    refuse_slips(file, (key for key in values if key not in SETTINGS), known=[key for key in SETTINGS if key not in values])
    catchment_id = legal_id(_required(file, values, "catchment_id"), f"{file}: catchment_id", ConfigError)
    latitude = values.get("latitude")
    config = BmiConfig(
        path=file,
        catchment_id=catchment_id,
        model_dir=_find_folder(file, str(_required(file, values, "model_dir"))),
        steps_per_day=TIME_STEPS[_choice(file, values, "time_step", "1 day", tuple(TIME_STEPS))],
        start_time=_start_time(file, values),
        pet_method=_choice(file, values, "pet_method", "penman_monteith", tuple(INPUTS)),
        latitude=None if latitude is None else _number(file, "latitude", latitude),
        dtype=_choice(file, values, "dtype", "float32", DTYPES),
        device=str(values.get("device", "cpu")),
        backend=_choice(file, values, "backend", "auto", BACKENDS),
        initial_state=_initial_state(file, values),
        cold_start_missing=_truth(file, values, "cold_start_missing"),
        accept_changes=_truth(file, values, "accept_changes"),
        checkpoint=_checkpoint(file, values.get("checkpoint")),
        missing_forcing=_choice(file, values, "missing_forcing", "error", MISSING_FORCING),
        spinup=_spinup(file, values.get("spinup")),
        coupling=_coupling(file, values),
        others={key: value for key, value in values.items() if key not in SETTINGS or key in ATTRIBUTES_TOO},
    )
    _check_latitude(config)
    if config.spinup is not None and config.initial_state is not None:
        raise ConfigError(f"{file}: initial_state and spinup both say how the catchment starts; remove one of them")
    return config


def _warn_of_unknown(file: Path, keys: Iterable[str], known: Sequence[str]) -> None:
    """Warn of keys that mean nothing to this model, once per key in a process."""
    for key in keys:
        if key not in known and key not in _warned:
            _warned.add(key)
            warnings.warn(f"{file}: key {key!r} means nothing to this model and is ignored (here and in other files)", stacklevel=3)


def _read_yaml(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read as a BMI configuration: {error}") from error
    try:
        values = load_yaml(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{file}: is not YAML: {error}") from error
    if not isinstance(values, Mapping):
        raise ConfigError(f"{file}: expected keys and values, found {type(values).__name__}")
    return {str(key): value for key, value in values.items()}


def _required(file: Path, values: Mapping[str, Any], key: str) -> Any:
    if values.get(key) is None:
        raise ConfigError(f"{file}: key {key!r} is missing")
    return values[key]


def _choice(file: Path, values: Mapping[str, Any], key: str, default: str, choices: tuple[str, ...]) -> str:
    value = str(values.get(key, default))
    if value not in choices:
        nearest = difflib.get_close_matches(value, choices, n=1)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
        raise ConfigError(f"{file}: {key} is {value!r}, expected one of {', '.join(choices)}{hint}")
    return value


def _number(file: Path, key: str, value: Any) -> float:
    try:
        if isinstance(value, bool) or "_" in str(value):  # Python reads 1_0 as 10
            raise ValueError("a truth value, or digits in groups")
        return float(value)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{file}: {key} is {value!r}, expected a number") from error


def _truth(file: Path, values: Mapping[str, Any], key: str) -> bool:
    value = values.get(key, False)
    if not isinstance(value, bool):
        raise ConfigError(f"{file}: {key} is {value!r}, expected true or false")
    return value


def _initial_state(file: Path, values: Mapping[str, Any]) -> Path | None:
    value = str(values.get("initial_state") or "zero")
    return None if value == "zero" else _there_or_beside(file, value)


def _there_or_beside(file: Path, path: str) -> Path:
    """Path as it is, or beside ``file`` if there is something only there."""
    beside = file.parent / path
    return beside if not Path(path).exists() and beside.exists() else Path(path)


def _checkpoint(file: Path, value: Any) -> CheckpointSettings | None:
    if value is None:
        return None
    path, numbers = _path_and_numbers(file, "checkpoint", value, ("path", "every", "keep"), "path and, if wanted, every (hours) and keep")
    return CheckpointSettings(Path(path), **numbers)


def _spinup(file: Path, value: Any) -> SpinUpSettings | None:
    if value is None:
        return None
    forcing, numbers = _path_and_numbers(file, "spinup", value, ("forcing", "days"), "forcing (a file) and, if wanted, days")
    return SpinUpSettings(_there_or_beside(file, forcing), **numbers)


def _coupling(file: Path, values: Mapping[str, Any]) -> Coupling:
    lead_in = _choice(file, values, "lead_in", LEAD_INS[0], LEAD_INS)
    warmup = {} if values.get("warmup") is None else values["warmup"]
    if not isinstance(warmup, Mapping) or not set(warmup) <= set(WARMUP):
        raise ConfigError(f"{file}: warmup is {warmup!r}, expected some of {', '.join(WARMUP)}")
    try:
        return Coupling(**{key: value for key, value in warmup.items() if value is not None}, lead_in=lead_in)
    except ConfigError as error:
        raise ConfigError(f"{file}: warmup: {error}") from error


def _path_and_numbers(file: Path, key: str, value: Any, known: tuple[str, ...], expected: str) -> tuple[str, dict[str, int]]:
    """Take a setting of several parts: the first is a path and must be there, the others are whole numbers."""
    if not isinstance(value, Mapping) or value.get(known[0]) is None or not set(value) <= set(known):
        raise ConfigError(f"{file}: {key} is {value!r}, expected {expected}")
    numbers = {part: number for part, number in value.items() if part != known[0]}
    for part, number in numbers.items():
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise ConfigError(f"{file}: {key}.{part} is {number!r}, expected a whole number from 1")
    return str(value[known[0]]), numbers


def _check_latitude(config: BmiConfig) -> None:
    if config.latitude is not None and not -90.0 <= config.latitude <= 90.0:
        raise ConfigError(f"{config.path}: latitude is {config.latitude}, expected degrees between -90 and 90")
    if config.pet_method == "hargreaves" and config.latitude is None:
        raise ConfigError(f"{config.path}: key 'latitude' is missing; pet_method hargreaves needs it")


def _find_folder(file: Path, folder: str) -> Path:
    candidates = [Path(folder), file.parent / folder]
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    looked = " and ".join(str(candidate.absolute()) for candidate in candidates)
    raise ConfigError(f"{file}: model_dir {folder!r} is no folder; looked for {looked}")


def _start_time(file: Path, values: Mapping[str, Any]) -> datetime:
    """Start by ``start_time``, by ``start_date`` and ``start_hour``, or by all of them if they agree."""
    times = {}
    hour = _start_hour(file, values)
    if values.get("start_time") is not None:
        times["start_time says"] = _parse_time(file, "start_time", values["start_time"])
        if hour is not None and values.get("start_date") is None:
            times["start_hour says"] = times["start_time says"].replace(hour=hour)
    if values.get("start_date") is not None:
        day = _parse_time(file, "start_date", values["start_date"])
        if day.hour:
            raise ConfigError(f"{file}: start_date is {values['start_date']!r}, expected a date; the hour belongs in start_hour")
        times["start_date and start_hour say"] = day.replace(hour=hour or 0)
    if not times:
        raise ConfigError(f"{file}: key 'start_time' is missing")
    if len(set(times.values())) > 1:
        raise ConfigError(f"{file}: " + " but ".join(f"{says} {time}" for says, time in times.items()))
    return next(iter(times.values()))


def _start_hour(file: Path, values: Mapping[str, Any]) -> int | None:
    hour = values.get("start_hour")
    if hour is None:
        return None
    if not str(hour).isdecimal() or int(hour) not in range(24):
        raise ConfigError(f"{file}: start_hour is {hour!r}, expected a whole number from 0 to 23")
    return int(hour)


def _parse_time(file: Path, key: str, value: Any) -> datetime:
    plain = str(value).strip().replace("/", "-").replace("T", " ")
    for form in _TIME_FORMATS:
        try:
            time = datetime.strptime(plain, form)
        except ValueError:
            continue
        if not (time.minute or time.second):
            return time
    raise ConfigError(f"{file}: {key} is {value!r}, expected a full hour such as 2000-01-01 06:00:00, without a time zone (UTC is meant)")
