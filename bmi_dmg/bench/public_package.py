"""What the public package ``dhbv2`` asks of files and calls, so that it is measured on the same weights and weather.

It is met from outside only: through its BMI, in an interpreter of its own. Its daily class reads the very weights that this package is
measured with, and so does its hourly class, which runs the multi-timescale model.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import yaml

from bmi_dmg.bench.domain import COUPLED
from bmi_dmg.bench.figures import COUPLED_WARM_UP
from bmi_dmg.bench.laboratory import BenchError, Laboratory, Subject
from bmi_dmg.bench.sizes import Sizes
from dmg_core.checkpoint.config import CONFIG_NAME
from dmg_core.checkpoint.statistics import STATISTICS_NAME
from dmg_core.errors import ConfigError

PACKAGE: Final = "dhbv2"

#: Hours from the end of the first day to the end of the first prediction of the daily class.
DAILY_WARM_UP: Final = 365 * 24

#: The hourly class spins up anew every week; a repeat is a whole number of weeks.
STEPPED_HOURS: Final = 4 * 168

#: A name that the daily class looks for and its table of names lacks, and one that it has.
ALIASES: Final = {"catchsize": "uparea"}

_PERIOD: Final = {"start_time": "2000/01/01", "end_time": "2009/12/31"}

#: Keys of ``config.yaml`` that the package reads before it runs.
_REQUIRED: Final = {
    "mode": "sim",
    "multimodel_type": "none",
    "device": "cpu",
    "train": {
        **_PERIOD,
        "target": ["streamflow"],
        "optimizer": {"name": "Adadelta"},
        "lr": 1.0,
        "lr_scheduler": {"name": "none"},
        "loss_function": {"name": "RmseCombLoss"},
        "epochs": 1,
        "start_epoch": 0,
        "save_epoch": 1,
        "batch_size": 1,
    },
    "sim": {**_PERIOD, "batch_size": 1},
}
_PHYSICS: Final = {"warm_up": 0, "warm_up_states": True, "dy_drop": 0.0, "use_log_norm": []}


def public_sizes(sizes: Sizes) -> Sizes:
    """Give what can be measured of it in minutes, and in memory: one daily catchment takes as much as all of ours."""
    return replace(sizes, domains=(1, 3), initialized=3, stepped=1, stepped_hours=STEPPED_HOURS, repeats=min(sizes.repeats, 3))


def find_public_package(python: str) -> dict[str, str]:
    """Ask an interpreter for the package.

    Returns
    -------
    dict
        Path of the interpreter and versions.

    Raises
    ------
    ConfigError
        If it cannot be run or has no such package.
    """
    code = (
        f"import json; from importlib.metadata import version as v; print(json.dumps({{p: v(p) for p in {[PACKAGE, 'torch', 'numpy']}}}))"
    )
    try:
        ended = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    except OSError as error:
        raise ConfigError(f"{python} cannot be run as an interpreter: {error}") from error
    if ended.returncode:
        raise ConfigError(f"{python} has no package {PACKAGE}; expected an interpreter that has it, with torch and numpy")
    return {"python": python, **json.loads(ended.stdout)}


def public_subjects(laboratory: Laboratory, python: str) -> dict[str, tuple[Subject, str]]:
    """Write what the classes of the package ask for and give them by model, each with a note on what was done to run it."""
    return {"daily": _daily(laboratory, python), COUPLED: _hourly(laboratory, python)}


def _daily(laboratory: Laboratory, python: str) -> tuple[Subject, str]:
    """Give the daily class, with the weights that this package is measured with."""
    folder = _new_folder(laboratory, "daily")
    _write_daily_model(folder, laboratory.domain.model("daily"))
    subject = Subject(
        python=python,
        python_type=f"{PACKAGE}.bmi.DeltaModelBmi",
        configs=_configs(laboratory, "daily", folder, start_time="2000/01/01 00"),
        model="daily",
        warm_up_hours=DAILY_WARM_UP,
    )
    try:
        laboratory.measure(subject, 1, hours=24, repeats=1)
    except BenchError as error:
        note = f"stops as published ({error}); measured with {', '.join(ALIASES)} added to its table of names in memory"
        return replace(subject, aliases=ALIASES), note
    return subject, "runs as published"


def _hourly(laboratory: Laboratory, python: str) -> tuple[Subject, str]:
    """Give the hourly class, with the weights that this package's multi-timescale model is measured with."""
    folder = _new_folder(laboratory, COUPLED)
    _write_multi_timescale_model(folder, laboratory.domain.model(COUPLED))
    subject = Subject(
        python=python,
        python_type=f"{PACKAGE}.mts_bmi.MtsDeltaModelBmi",
        configs=_configs(laboratory, COUPLED, folder, start_time="2000-01-01 00:00:00", start_date="2000/01/01", start_hour=0),
        model=COUPLED,
        warm_up_hours=COUPLED_WARM_UP,
    )
    return subject, "runs as published"


def _new_folder(laboratory: Laboratory, name: str) -> Path:
    folder = laboratory.domain.folder / PACKAGE / name
    folder.mkdir(parents=True)
    return folder


def _configs(laboratory: Laboratory, name: str, model: Path, **changes: Any) -> Callable[[int], list[str]]:
    """Write our BMI configs again, with another model folder and other spellings of time."""
    paths = []
    for i, path in enumerate(laboratory.domain.configs(name, max(laboratory.sizes.domains))):
        config = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        config |= {"model_dir": str(model), **changes}
        copy = model / f"{i}.yml"
        copy.write_text(yaml.safe_dump(config), encoding="utf-8")
        paths.append(str(copy))
    return lambda count: paths[:count]


def _write_daily_model(folder: Path, ours: Path) -> None:
    """Write a model folder with the weights of another, and the further keys the package reads."""
    for weights in ours.glob("*.pt"):
        (folder / weights.name).symlink_to(weights)
    statistics = json.loads((ours / STATISTICS_NAME).read_text(encoding="utf-8"))
    # It reads one of the two names here and the other there.
    (folder / STATISTICS_NAME).write_text(json.dumps({**statistics, "Temp": statistics["T"]}), encoding="utf-8")
    config = yaml.safe_load((ours / CONFIG_NAME).read_text(encoding="utf-8"))
    config["model"]["rho"] = 365
    config["model"]["phy"] |= _PHYSICS
    config["model"]["nn"] |= {"lstm_dropout": 0.5, "mlp_dropout": 0.5}
    (folder / CONFIG_NAME).write_text(yaml.safe_dump({**config, **_REQUIRED}), encoding="utf-8")


def _write_multi_timescale_model(folder: Path, ours: Path) -> None:
    """Write a model folder with the weights of another, and the further keys the package reads."""
    for file in (*ours.glob("*.pt"), ours / STATISTICS_NAME):
        (folder / file.name).symlink_to(file)
    config = yaml.safe_load((ours / CONFIG_NAME).read_text(encoding="utf-8"))
    phy, nn = config["model"]["phy"], config["model"]["nn"]
    for half in ("hif_model", "lof_model"):
        phy[half] |= _PHYSICS
        nn[half] |= {"model": nn[half]["name"], "lstm_dropout": 0.1, "mlp_dropout": 0.1}
    phy["hif_model"] |= {"window_size": 336, "agg_timescale_dim": [0, 2]}
    phy["hif_model"] |= {"train_spatial_chunk_size": 65536, "simulate_spatial_chunk_size": 10000, "simulate_temporal_chunk_size": 168}
    nn["hif_model"] |= {"mlp2_dropout": 0.1}
    nn["sub_batch_size"] = 100
    config["model"] |= {"rho": 365, "warm_up": 0}
    config |= {**_REQUIRED, "cache_states": True}
    config["test"] |= {**_PERIOD, "batch_size": 1}
    config["observations"] |= {"subbasin_area_name": "catchsize"}
    (folder / CONFIG_NAME).write_text(yaml.safe_dump(config), encoding="utf-8")
