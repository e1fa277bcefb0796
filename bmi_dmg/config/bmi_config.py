"""BMI configuration of one catchment: YAML in NGIAB's dialect, read into validated settings."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import attrs

from bmi_dmg.variables import INPUTS
from dmg_core.engine.backends import BACKENDS
from dmg_core.errors import ConfigError
from dmg_core.ids import legal_id
from dmg_core.multi_timescale.coupling import LEAD_INS, Coupling
from dmg_core.validation import Node, WrongValueError, flag, number, one_of, positive_number, refuse_slips, text, whole_number_from_1
from dmg_core.validation import path as path_of

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
        "assimilation",
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


@attrs.frozen
class AssimilationSettings:
    """Observed flow that corrects the stores of a catchment which has a gauge of its own.

    Attributes
    ----------
    observations : Path
        See :func:`dmg_core.data.flow_files.read_flow`; NetCDF is read by a process of its own.
    gauge : str or None
        What the catchment is called there; by default as here.
    area : float or None
        km², for flow in volumes.
    window, every : int
        Days of the window of an analysis, and from one to the next.
    """

    observations: Path
    gauge: str | None
    area: float | None
    window: int = 30
    every: int = 1


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
    assimilation : AssimilationSettings or None
        Observed flow that corrects the stores, if any.
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
    assimilation: AssimilationSettings | None
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
        refuse_slips(self.path, self.others, [*wanted, *WITHOUT_EFFECT, *SETTINGS], ConfigError)
        _warn_of_unknown(self.path, self.others, known=[*wanted, *WITHOUT_EFFECT, *SETTINGS])
        missing = [name for name in wanted if name not in self.others]
        if missing:
            raise ConfigError(f"{self.path}: catchment {self.catchment_id} lacks the attributes {', '.join(missing)}")
        try:
            return {name: number(self.others[name]) for name in wanted}
        except WrongValueError:
            return {name: Node(self.path, name, self.others[name], ConfigError).to(number) for name in wanted}  # says which


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
    root = Node.read(file, "a BMI configuration", ConfigError).refuse_slips(SETTINGS)
    config = BmiConfig(
        path=file,
        catchment_id=legal_id(root.require("catchment_id").value, f"{file}: catchment_id", ConfigError),
        model_dir=_find_folder(root.require("model_dir")),
        steps_per_day=TIME_STEPS[root.get("time_step", one_of(*TIME_STEPS), "1 day")],
        start_time=_start_time(root),
        pet_method=root.get("pet_method", one_of(*INPUTS), "penman_monteith"),
        latitude=root.get("latitude", _degrees_north),
        dtype=root.get("dtype", one_of(*DTYPES), "float32"),
        device=root.get("device", text, "cpu"),
        backend=root.get("backend", one_of(*BACKENDS), "auto"),
        initial_state=_initial_state(root),
        cold_start_missing=root.get("cold_start_missing", flag, False),
        accept_changes=root.get("accept_changes", flag, False),
        assimilation=_assimilation(root),
        checkpoint=_checkpoint(root.find("checkpoint")),
        missing_forcing=root.get("missing_forcing", one_of(*MISSING_FORCING), "error"),
        spinup=_spinup(root.find("spinup")),
        coupling=_coupling(root),
        others={str(key): value for key, value in root.value.items() if key not in SETTINGS or key in ATTRIBUTES_TOO},
    )
    if config.pet_method == "hargreaves" and config.latitude is None:
        raise root.error("key 'latitude' is missing; pet_method hargreaves needs it")
    if config.spinup is not None and config.initial_state is not None:
        raise root.error("initial_state and spinup both say how the catchment starts; remove one of them")
    return config


def _warn_of_unknown(file: Path, keys: Iterable[str], known: Sequence[str]) -> None:
    """Warn of keys that mean nothing to this model, once per key in a process."""
    for key in keys:
        if key not in known and key not in _warned:
            _warned.add(key)
            warnings.warn(f"{file}: key {key!r} means nothing to this model and is ignored (here and in other files)", stacklevel=3)


def _degrees_north(value: Any) -> float:
    latitude = number(value)
    if not -90.0 <= latitude <= 90.0:
        raise WrongValueError(value, "degrees between -90 and 90")
    return latitude


def _initial_state(root: Node) -> Path | None:
    value = root.get("initial_state", text, "zero")
    return None if value == "zero" else _there_or_beside(root.file, Path(value))


def _there_or_beside(file: Path, path: Path) -> Path:
    """Path as it is, or beside ``file`` if there is something only there."""
    beside = file.parent / path
    return beside if not path.exists() and beside.exists() else path


def _checkpoint(node: Node | None) -> CheckpointSettings | None:
    if node is None:
        return None
    numbers = _counts(node.only("path", "every", "keep"), "every", "keep")
    return CheckpointSettings(node.require("path").to(path_of), **numbers)


def _assimilation(root: Node) -> AssimilationSettings | None:
    node = root.find("assimilation")
    if node is None:
        return None
    given = node.only("observations", "gauge", "area_km2", "window", "every")
    gauge, area = given.find("gauge"), given.find("area_km2") or root.find("catchsize")
    return AssimilationSettings(
        _there_or_beside(root.file, given.require("observations").to(path_of)),
        None if gauge is None else str(gauge.value),
        None if area is None else area.to(positive_number),
        **_counts(given, "window", "every"),
    )


def _spinup(node: Node | None) -> SpinUpSettings | None:
    if node is None:
        return None
    numbers = _counts(node.only("forcing", "days"), "days")
    return SpinUpSettings(_there_or_beside(node.file, node.require("forcing").to(path_of)), **numbers)


def _counts(node: Node, *keys: str) -> dict[str, int]:
    """Take whole numbers from 1, those that are there."""
    return {key: child.to(whole_number_from_1) for key in keys if (child := node.find(key))}


def _coupling(root: Node) -> Coupling:
    lead_in, warmup = root.get("lead_in", one_of(*LEAD_INS), LEAD_INS[0]), root.find("warmup")
    given = warmup.only(*WARMUP).value if warmup else {}
    try:
        return Coupling(**{key: value for key, value in given.items() if value is not None}, lead_in=lead_in)
    except ConfigError as error:  # begins with the name of the key
        raise ConfigError(f"{root.file}: warmup.{error}") from error


def _find_folder(node: Node) -> Path:
    folder = node.to(path_of)
    candidates = [folder, node.file.parent / folder]
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    looked = " and ".join(str(candidate.absolute()) for candidate in candidates)
    raise node.wrong(f"a folder; looked for {looked}")


def _start_time(root: Node) -> datetime:
    """Start by ``start_time``, by ``start_date`` and ``start_hour``, or by all of them if they agree."""
    times = {}
    hour, date = root.get("start_hour", _hour_of_day), root.get("start_date", _date)
    time = root.get("start_time", _full_hour)
    if time is not None:
        times["start_time says"] = time
        if hour is not None and date is None:
            times["start_hour says"] = time.replace(hour=hour)
    if date is not None:
        times["start_date and start_hour say"] = date.replace(hour=hour or 0)
    if not times:
        raise root.missing("start_time")
    if len(set(times.values())) > 1:
        raise root.error(" but ".join(f"{says} {said}" for says, said in times.items()))
    return next(iter(times.values()))


def _hour_of_day(value: Any) -> int:
    if not str(value).isdecimal() or int(value) not in range(24):
        raise WrongValueError(value, "a whole number from 0 to 23")
    return int(value)


def _date(value: Any) -> datetime:
    day = _full_hour(value)
    if day.hour:
        raise WrongValueError(value, "a date; the hour belongs in start_hour")
    return day


def _full_hour(value: Any) -> datetime:
    time = _time_of(str(value).strip().replace("/", "-").replace("T", " "))
    if time is not None and not (time.minute or time.second):
        return time
    raise WrongValueError(value, "a full hour such as 2000-01-01 06:00:00, without a time zone (UTC is meant)")


@lru_cache(maxsize=64)
def _time_of(plain: str) -> datetime | None:
    """Read a time, which most catchments of a run have in common."""
    for form in _TIME_FORMATS:
        try:
            return datetime.strptime(plain, form)
        except ValueError:
            continue
    return None
