"""An NGIAB run folder written for the public δHBV module, made to run with this project's class."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from bmi_dmg.preparing.prepare import keep_once
from bmi_dmg.run_folder.realization import ID_TOKEN, find_realization
from dmg_core.checkpoint.config import CONFIG_NAME, names_multi_timescale, read_config
from dmg_core.checkpoint.multi_timescale import read_halves
from dmg_core.documents import load_json, load_yaml
from dmg_core.errors import CheckpointError, ConfigError
from dmg_core.files import written_whole

#: Package of the public module.
PUBLIC_PACKAGE: Final = "dhbv2."
OWN_CLASS: Final = "bmi_dmg.BmiDeltaModel"


@dataclass(frozen=True)
class Adopted:
    """What has been changed.

    Attributes
    ----------
    realization : Path
        The file that was changed.
    kept : Path or None
        Where it is kept as it was.
    replaced : tuple of str
        Classes that were named before.
    model_folders : tuple of str
        Model folders that the BMI configs name, unchanged.
    """

    realization: Path
    kept: Path | None
    replaced: tuple[str, ...]
    model_folders: tuple[str, ...]

    def summary(self) -> str:
        """Say what was changed, and what was not."""
        lines = [f"{self.realization}: python_type '{name}' is now '{OWN_CLASS}'" for name in self.replaced]
        if self.kept is not None:
            lines.append(f"The file as it was is kept as {self.kept}")
        lines.append(f"Unchanged: the BMI configs, and the model folder they name ({', '.join(self.model_folders)})")
        return "\n".join([*lines, f"Next: bmi-dmg check {self.realization.parent.parent}"])


def adopt(run_folder: str | os.PathLike[str]) -> Adopted:
    """Change ``python_type`` in the realization of a run folder, and nothing else.

    Parameters
    ----------
    run_folder : path
        Folder whose realization names the public module's class.

    Raises
    ------
    ConfigError
        If the realization names none.
    CheckpointError
        If the model folder's config cannot be read.
    """
    folder = Path(run_folder).resolve()
    path = find_realization(folder)
    try:
        text = path.read_text(encoding="utf-8")
        modules = [params for params in _all_params(load_json(text)) if "python_type" in params]
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: not valid JSON: {error}") from error
    public = [params for params in modules if str(params["python_type"]).startswith(PUBLIC_PACKAGE)]
    if not public:
        found = ", ".join(f"'{params['python_type']}'" for params in modules) or "none"
        raise ConfigError(f"{path}: no python_type of the public δHBV module ({PUBLIC_PACKAGE}…) to change; found {found}")
    models = _model_folders(folder, public)
    _require_runnable(path, folder, models)
    kept = keep_once(path, "before-adopt")
    pattern = rf'("python_type"\s*:\s*)"{re.escape(PUBLIC_PACKAGE)}[^"]*"'
    with written_whole(path) as stream:
        stream.write(re.sub(pattern, rf'\1"{OWN_CLASS}"', text).encode())
    return Adopted(path, kept, tuple(str(params["python_type"]) for params in public), models)


def _all_params(content: Any) -> list[dict[str, Any]]:
    """All ``params`` in a realization, wherever they stand."""
    inner: Sequence[Any] = ()
    if isinstance(content, dict):
        inner = list(content.values())
    elif isinstance(content, list):
        inner = content
    own = [content["params"]] if isinstance(content, dict) and isinstance(content.get("params"), dict) else []
    return own + [params for value in inner for params in _all_params(value)]


def _model_folders(folder: Path, modules: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """Model folders that the BMI configs name."""
    named: dict[str, None] = {}
    for params in modules:
        pattern = Path(str(params.get("init_config", "")))
        for path in sorted((folder / pattern.parent).glob(pattern.name.replace(ID_TOKEN, "*"))):
            try:
                content = load_yaml(path.read_text(encoding="utf-8"))
            except yaml.YAMLError as error:
                raise ConfigError(f"{path}: is not YAML: {error}") from error
            if isinstance(content, dict) and "model_dir" in content:
                named[str(content["model_dir"])] = None
    return tuple(named)


def _require_runnable(path: Path, folder: Path, models: Sequence[str]) -> None:
    """Refuse models that cannot be run here, where their folders are at hand."""
    configs = [folder / model / CONFIG_NAME for model in models if (folder / model / CONFIG_NAME).is_file()]
    for config in configs:
        try:
            (read_halves if names_multi_timescale(config) else read_config)(config)
        except CheckpointError as error:
            raise CheckpointError(f"{path} is left as it is, because its model cannot be run here: {error}") from error
