"""What a run folder has been set to before, so that preparing it again keeps it, or says what it replaces."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, count
from pathlib import Path
from typing import Any, Final

import yaml

from bmi_dmg.config.bmi_config import SETTINGS, WITHOUT_EFFECT
from bmi_dmg.run_folder.realization import FORK_TOKEN, ID_TOKEN, TIME_FORMAT
from dmg_core.documents import load_json, load_yaml
from dmg_core.files import path_written_whole

SUFFIX: Final = "before-prepare"
OWN_CLASS: Final = "bmi_dmg.BmiDeltaModel"

#: Settings of a BMI config that follow from what a folder is prepared for; all others are choices.
DETERMINED: Final = frozenset(
    {"catchment_id", "model_dir", "time_step", "start_time", "start_date", "start_hour", "end_time", "pet_method", "latitude"}
)
CHOICES: Final = (SETTINGS | WITHOUT_EFFECT) - DETERMINED - {"catchsize", "lengthkm"}


@dataclass(frozen=True)
class Earlier:
    """A realization that was there before.

    Attributes
    ----------
    path : Path
        The file.
    content : dict
        What is in it; nothing if it is no JSON object.
    """

    path: Path
    content: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> Earlier:
        """Read a realization as far as it can be read: one that is broken is replaced, and kept as it was."""
        try:
            content = load_json(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            content = None
        return cls(path, content if isinstance(content, dict) else {})

    @property
    def module(self) -> dict[str, Any] | None:
        """Parameters of the one module, if it is of our class; live."""
        return own_module(self.content)

    @property
    def form(self) -> str | None:
        """``bmi_multi`` or ``bmi_python``, if the one module is of our class."""
        return None if self.module is None else str(self.content["global"]["formulations"][0]["name"])

    @property
    def times(self) -> tuple[datetime, datetime] | None:
        """Start and end, if both are there."""
        try:
            time = self.content["time"]
            start, end = (datetime.strptime(time[key], TIME_FORMAT) for key in ("start_time", "end_time"))
        except (KeyError, TypeError, ValueError):
            return None
        return start, end

    def config_of(self, catchment: str) -> Path | None:
        """BMI config of a catchment, relative to the run folder, if the module is of our class."""
        pattern = None if self.module is None else self.module.get("init_config")
        if not isinstance(pattern, str):
            return None
        return Path(pattern.replace(FORK_TOKEN, catchment).replace(ID_TOKEN, catchment))


def own_module(content: Mapping[str, Any]) -> dict[str, Any] | None:
    """Parameters of the one module of a realization, alone or in a ``bmi_multi``, if it is of our class; live."""
    try:
        (formulation,) = content["global"]["formulations"]
        params: dict[str, Any] = formulation["params"]
        if formulation["name"] == "bmi_multi":
            (module,) = params["modules"]
            params = module["params"]
        return params if params["python_type"] == OWN_CLASS else None
    except (KeyError, TypeError, ValueError):
        return None


def with_choices(earlier: Earlier, new: dict[str, Any], outputs: Set[str]) -> dict[str, Any]:
    """Give a realization that was there before with what a folder is prepared for now: period, forcing, inputs, BMI configs.

    Everything else stays: outputs, calibration, mass balance, routing, where states go; where t-route comes in newly, the main output is
    that which goes with it. A realization of another class, or of another
    form than is asked for, gives way to the new one.

    Parameters
    ----------
    earlier : Earlier
        What was there.
    new : dict
        What would be written without it.
    outputs : set of str
        All outputs of the model; where it does not have those of the earlier realization, that was made for another model, and the new
        ones are written.
    """
    if earlier.form is None or earlier.form != new["global"]["formulations"][0]["name"]:
        return new
    content = copy.deepcopy(earlier.content)
    module, wanted = own_module(content), own_module(new)
    assert module is not None and wanted is not None  # noqa: PT018  # both are of our class
    inputs = wanted["variables_names_map"]
    given = module.get("variables_names_map")
    aliases = {name: alias for name, alias in (given.items() if isinstance(given, dict) else ()) if name in outputs}
    module.update(init_config=wanted["init_config"], variables_names_map={**inputs, **aliases})
    for key in ("allow_exceed_end_time", "cache_input_variable_metadata"):
        if key in wanted:
            module.setdefault(key, wanted[key])
    _replace_unknown_outputs(content, new, outputs | aliases.keys() | set(aliases.values()))
    content["global"]["forcing"] = new["global"]["forcing"]
    content["time"] = {**content.get("time", {}), **new["time"]}
    if "routing" in new and "routing" not in content:
        content["routing"] = new["routing"]
        for params in (module, content["global"]["formulations"][0]["params"]):
            params["main_output_variable"] = wanted["main_output_variable"]
    return content


def _replace_unknown_outputs(content: dict[str, Any], new: dict[str, Any], known: Set[str]) -> None:
    """Take the new outputs where a formulation or its module names some that the model does not have."""
    for params, wanted in zip(_params_of(content), _params_of(new), strict=True):
        if not known >= set(params.get("output_variables", ())):
            params["output_variables"] = wanted.get("output_variables", [])
            params.pop("output_header_fields", None)
        if params.get("main_output_variable") not in {None, *known}:
            params["main_output_variable"] = wanted["main_output_variable"]


def _params_of(content: dict[str, Any]) -> list[dict[str, Any]]:
    """Give the settings of the formulation and, inside a ``bmi_multi``, those of our module."""
    outer, module = content["global"]["formulations"][0]["params"], own_module(content)
    return [outer] if module is None or module is outer else [outer, module]


@dataclass(frozen=True)
class EarlierConfig:
    """A BMI config that was there before.

    Attributes
    ----------
    values : dict
        What is in it; nothing if it is not YAML of keys and values.
    """

    values: dict[str, Any]

    @classmethod
    def read(cls, path: Path | None) -> EarlierConfig | None:
        """Read a file, if there is one."""
        if path is None or not path.is_file():
            return None
        try:
            values = load_yaml(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError):
            values = None
        return cls({str(key): value for key, value in values.items()} if isinstance(values, dict) else {})

    def choices(self, folder: Path, model_dir: str, attributes: Mapping[str, float]) -> dict[str, Any]:
        """Give the settings that stay; a warm start only with the model and the attributes that its state is of.

        Parameters
        ----------
        folder : Path
            The run folder.
        model_dir : str
            Model folder from now on, relative to the run folder or absolute.
        attributes : mapping of str to float
            Attributes of the catchment from now on.
        """
        kept = {key: value for key, value in self.values.items() if key in CHOICES}
        before = self.values.get("model_dir")
        same_model = before is not None and (folder / str(before)).resolve() == (folder / model_dir).resolve()
        if not same_model or any(self.values.get(name) != value for name, value in attributes.items()):
            kept.pop("initial_state", None)
        return kept

    def replaced(self, new: Mapping[str, Any]) -> list[str]:
        """Keys whose values are others now, or that are gone; times of the run apart."""
        period = {"start_time", "end_time", "start_date", "start_hour"}
        return [key for key, value in self.values.items() if key not in period and (key not in new or new[key] != value)]


def keep_copy(path: Path) -> Path:
    """Copy a file or folder to the same name with a suffix that no copy has yet, unless a copy like it is there.

    Returns
    -------
    Path
        The copy.
    """
    copies = sorted(path.parent.glob(f"{path.name}.{SUFFIX}*")) if path.is_file() else []
    for copy_ in copies:
        if copy_.read_bytes() == path.read_bytes():
            return copy_
    place = free_copy_name(path)
    if path.is_dir():
        shutil.copytree(path, place)
    else:
        with path_written_whole(place) as unfinished:
            shutil.copyfile(path, unfinished)
    return place


def free_copy_name(path: Path) -> Path:
    """Give the first name for a copy of a file or folder that nothing has."""
    names = chain([SUFFIX], (f"{SUFFIX}-{number}" for number in count(2)))
    return next(place for name in names if not (place := path.with_name(f"{path.name}.{name}")).exists())


def replaced_line(replaced: Sequence[Sequence[str]], kept: Path) -> str:
    """Say which keys of BMI configs have been replaced."""
    keys = sorted({key for of_one in replaced for key in of_one})
    return f"Replaced in {sum(map(bool, replaced))} BMI configs: {', '.join(keys)}; those that were there are kept in {kept}"
