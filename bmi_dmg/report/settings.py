"""What was run and with what: the lists of settings and versions at the foot of a page."""

from __future__ import annotations

import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import yaml

from bmi_dmg.results.reading import RunResults
from bmi_dmg.run_folder.realization import Realization, read_realization
from dmg_core.documents import load_yaml

PACKAGES: Final = ("bmi-dmg", "torch", "numpy", "numba")
#: Keys of a BMI config that differ from catchment to catchment.
OWN_KEYS: Final = frozenset({"catchment_id", "catchment_name"})
#: Attributes of results that every file of their form has.
FORMAT_ATTRIBUTES: Final = frozenset({"Conventions", "featureType"})

#: Names of our class.
OWN_CLASSES: Final = ("bmi_dmg.BmiDeltaModel", "bmi_dmg.bmi.model.BmiDeltaModel")

Lines = list[tuple[str, str]]


def run_settings(run_folder: Path, results: RunResults) -> Lines:
    """List what the realization, the BMI config of the first catchment and the results say; paths are relative to the run folder."""
    realization = read_realization(run_folder)
    formulation, folder = realization.formulation, run_folder.resolve()
    lines = [
        ("Run folder", folder.name),
        ("Realization", _relative(realization.path, folder)),
        ("Model class", formulation.python_type),
        ("Start time", f"{realization.start} UTC"),
        ("End time", f"{realization.end} UTC"),
        ("Forcing", f"{realization.forcing.url or _relative(realization.forcing.path, folder)} ({realization.forcing.provider})"),
        ("BMI configs", formulation.init_config),
        ("Main output", formulation.main_output_variable),
        ("Output variables", ", ".join(formulation.output_variables or ("all",))),
    ]
    lines += [(f"Parameter {name}", str(value)) for name, value in formulation.model_params.items()]
    lines += _bmi_settings(folder, realization, results.ids[0])
    return lines + [(f"Results: {name}", value) for name, value in results.attributes.items() if name not in FORMAT_ATTRIBUTES]


def cold_starts(run_folder: Path, results: RunResults) -> int:
    """Count the catchments whose BMI configs name neither a warm start nor a spin-up: they start with empty stores.

    Those of other classes than ours, of resumed runs, and without config are not counted.
    """
    realization = read_realization(run_folder)
    formulation, folder = realization.formulation, run_folder.resolve()
    if formulation.python_type not in OWN_CLASSES or results.start > realization.start:
        return 0
    configs = [folder / formulation.config_of(catchment) for catchment in results.ids]
    # One that is no text has no keys to be found; "check" tells what is wrong with it.
    return sum(_starts_cold(path.read_text(encoding="utf-8", errors="replace")) for path in configs if path.is_file())


def _starts_cold(config: str) -> bool:
    """Look for the two keys in the text: reading thousands of configs as YAML would take seconds."""
    found = re.search(r"^initial_state\s*:\s*(\S+)", config, re.MULTILINE)
    warm = found is not None and found[1].strip("\"'") not in ("zero", "null", "~")
    return not warm and re.search(r"^spinup\s*:", config, re.MULTILINE) is None


def versions() -> Lines:
    """List the versions of the software that writes the page."""
    lines = [("Python", platform.python_version())]
    for package in PACKAGES:
        try:
            lines.append((package, version(package)))
        except PackageNotFoundError:
            continue
    return lines


def _bmi_settings(folder: Path, realization: Realization, catchment: str) -> Lines:
    """List the settings of a catchment's BMI config that are words, not numbers: those are its attributes."""
    path = folder / realization.formulation.config_of(catchment)
    try:
        content = load_yaml(path.read_text(encoding="utf-8")) if path.is_file() else None
    except (yaml.YAMLError, UnicodeDecodeError):  # configs of other classes may have any form
        content = None
    if not isinstance(content, dict):
        return []
    return [
        (f"{catchment}: {key}", str(value))
        for key, value in content.items()
        if not isinstance(value, (int, float, list, dict)) and key not in OWN_KEYS
    ]


def _relative(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)
