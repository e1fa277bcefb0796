"""What the public package ``dhbv2`` asks of files and calls, so that it is measured on the same weights and weather.

It is met from outside only: through its BMI, in an interpreter of its own. Its daily class reads the very weights that this package is
measured with. Its hourly class runs another model than ours, two coupled ones (multi-timescale); it gets seeded weights of the same LSTM
width, with narrow MLPs.
"""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import yaml
from numpy.typing import NDArray

from bmi_dmg.bench.domain import SEED
from bmi_dmg.bench.laboratory import BenchError, Laboratory, Subject
from bmi_dmg.bench.sizes import Sizes
from bmi_dmg.demo.example_model import FORCINGS, SETTINGS
from bmi_dmg.demo.synthetic_catchments import ATTRIBUTES
from dmg_core.checkpoint.config import CONFIG_NAME
from dmg_core.checkpoint.statistics import STATISTICS_NAME
from dmg_core.errors import ConfigError
from dmg_core.parameters import HBV_20, HBV_20_HOURLY, Variant

PACKAGE: Final = "dhbv2"

#: Hours from the end of the first day to the end of the first prediction: after a year, and after 358 days.
DAILY_WARM_UP, HOURLY_WARM_UP = 365 * 24, 8592 + 1 - 24

#: The hourly class spins up anew every week; a repeat is a whole number of weeks.
STEPPED_HOURS: Final = 4 * 168

#: A name that the daily class looks for and its table of names lacks, and one that it has.
ALIASES: Final = {"catchsize": "uparea"}

#: Width of the hourly class's MLPs, which act once a week.
MLP_WIDTH: Final = 64

_NMUL: Final = SETTINGS.nmul
_FORCINGS: Final = list(SETTINGS.forcings)
_HOURLY_ATTRIBUTES: Final = [*(name for name in ATTRIBUTES if name != "uparea"), "catchsize"]
_ROUTING_ATTRIBUTES: Final = ["aridity", "meanslope", "catchsize", "lengthkm"]
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
    return {"daily": _daily(laboratory, python), "hourly": _hourly(laboratory, python)}


def _daily(laboratory: Laboratory, python: str) -> tuple[Subject, str]:
    """Give the daily class, with the weights that this package is measured with."""
    folder = _new_folder(laboratory, "daily")
    _write_daily_model(folder, laboratory.domain.model("daily"))
    subject = Subject(
        python=python,
        python_type=f"{PACKAGE}.bmi.DeltaModelBmi",
        configs=_configs(laboratory, "daily", folder, start_time="2000/01/01 00"),
        daily=True,
        warm_up_hours=DAILY_WARM_UP,
    )
    try:
        laboratory.measure(subject, 1, hours=24, repeats=1)
    except BenchError as error:
        note = f"stops as published ({error}); measured with {', '.join(ALIASES)} added to its table of names in memory"
        return replace(subject, aliases=ALIASES), note
    return subject, "runs as published"


def _hourly(laboratory: Laboratory, python: str) -> tuple[Subject, str]:
    """Give the hourly class."""
    folder, width = _new_folder(laboratory, "hourly"), laboratory.sizes.lstm_width
    _write_multi_timescale_model(folder, width)
    subject = Subject(
        python=python,
        python_type=f"{PACKAGE}.mts_bmi.MtsDeltaModelBmi",
        configs=_configs(laboratory, "hourly", folder, start_time="2000-01-01 00:00:00", start_date="2000/01/01", start_hour=0),
        daily=False,
        warm_up_hours=HOURLY_WARM_UP,
    )
    return subject, f"another model than ours: multi-timescale, two LSTMs of {width}, MLPs of {MLP_WIDTH}, no routing"


def _new_folder(laboratory: Laboratory, name: str) -> Path:
    folder = laboratory.domain.folder / PACKAGE / name
    folder.mkdir(parents=True)
    return folder


def _configs(laboratory: Laboratory, name: str, model: Path, **changes: Any) -> Callable[[int], list[str]]:
    """Write our BMI configs again, with another model folder and other spellings of time."""
    paths = []
    for i, path in enumerate(laboratory.domain.configs(name, max(laboratory.sizes.domains))):
        config = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        config |= {"model_dir": str(model), "catchsize": config["uparea"], "lengthkm": 2.0, **changes}
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


def _write_multi_timescale_model(folder: Path, width: int) -> None:
    """Write a model folder of the hourly class, with random weights."""
    daily_physics, daily_network = _part(HBV_20, "LstmMlpModel", width)
    hourly_physics, hourly_network = _part(HBV_20_HOURLY, "LstmMlp2Model", width)
    daily_physics["window_size"] = 351
    hourly_physics |= {"window_size": 336, "train_warmup": 168, "agg_timescale_dim": [0, 2]}
    hourly_physics |= {"train_spatial_chunk_size": 65536, "simulate_spatial_chunk_size": 10000, "simulate_temporal_chunk_size": 168}
    hourly_network |= {"mlp2_dropout": 0.1, "mlp2_hidden_size": MLP_WIDTH, "attributes2": _ROUTING_ATTRIBUTES}
    model = {
        "rho": 365,
        "warm_up": 0,
        "use_log_norm": [],
        "phy": {"name": ["Hbv_2_mts"], "hif_model": hourly_physics, "lof_model": daily_physics},
        "nn": {"sub_batch_size": 100, "hif_model": hourly_network, "lof_model": daily_network},
    }
    names = {"upstream_area_name": "uparea", "subbasin_area_name": "catchsize", "elevation_name": "meanelevation"}
    config = {
        **_REQUIRED,
        "cache_states": True,
        "test": {**_PERIOD, "test_epoch": 0, "batch_size": 1},
        "model": model,
        "observations": names,
    }
    (folder / CONFIG_NAME).write_text(yaml.safe_dump(config), encoding="utf-8")
    (folder / STATISTICS_NAME).write_text(json.dumps(_multi_timescale_statistics()), encoding="utf-8")
    torch.save(_multi_timescale_weights(width, len(SETTINGS.dynamic)), folder / "dhbv_2_mts_ep0.pt")


def _part(variant: Variant, network: str, width: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give the settings of the physics and the network of one of the coupled models."""
    physics = {
        **_PHYSICS,
        "name": [variant.name],
        "nmul": _NMUL,
        "dynamic_params": {variant.name: list(SETTINGS.dynamic)},
        "routing": False,
        "nearzero": SETTINGS.nearzero,
        "forcings": _FORCINGS,
        "attributes": [],
    }
    widths = {"lstm_dropout": 0.1, "lstm_hidden_size": width, "mlp_dropout": 0.1, "mlp_hidden_size": MLP_WIDTH}
    return physics, {"name": network, "model": network, **widths, "forcings": _FORCINGS, "attributes": _HOURLY_ATTRIBUTES}


def _multi_timescale_statistics() -> dict[str, dict[str, list[float]]]:
    """Give means and standard deviations in the order of the variables."""
    spread = {**ATTRIBUTES, "catchsize": ATTRIBUTES["uparea"], "lengthkm": (3.0, 2.0)}
    statistics: dict[str, dict[str, list[float]]] = {}
    for place, kind in enumerate(("mean", "std")):
        statistics[kind] = {
            "dyn_input": [row[2 + place] for row in FORCINGS[24].values()],
            "dyn_input_daily": [row[2 + place] for row in FORCINGS[1].values()],
            "static_input": [spread[name][place] for name in _HOURLY_ATTRIBUTES],
            "rout_static_input": [spread[name][place] for name in _ROUTING_ATTRIBUTES],
        }
    return statistics


def _multi_timescale_weights(width: int, dynamic: int) -> dict[str, torch.Tensor]:
    """Draw the weights of two coupled models; no biases."""
    rng = np.random.default_rng(SEED)
    traits = len(_HOURLY_ATTRIBUTES)
    shapes: dict[str, tuple[int, ...]] = {"h_transfer": (width, width), "c_transfer": (width, width)}
    for part in ("lstm_mlp", "lstm_mlp2"):
        shapes[f"{part}.in_proj"] = (width, len(_FORCINGS) + traits)
        shapes[f"{part}.linear_out"] = (dynamic * _NMUL, width)
    for name, inputs, outputs in (
        ("lstm_mlp.ann", traits, (len(HBV_20.parameters) - dynamic) * _NMUL),
        ("lstm_mlp2.ann1", traits, (len(HBV_20_HOURLY.parameters) - dynamic) * _NMUL),
        ("lstm_mlp2.ann2", len(_ROUTING_ATTRIBUTES), 3),
    ):
        widths = (inputs, MLP_WIDTH, MLP_WIDTH, MLP_WIDTH, outputs)
        shapes |= {f"{name}.{3 * layer}": (widths[layer + 1], widths[layer]) for layer in range(4)}
    weights = {f"{name}.weight": shape for name, shape in shapes.items()} | {f"{name}.bias": shape[:1] for name, shape in shapes.items()}
    for part in ("lstm_mlp", "lstm_mlp2"):
        weights |= {f"{part}.lstm_inv.weight_{kind}_l0": (4 * width, width) for kind in ("ih", "hh")}
        weights |= {f"{part}.lstm_inv.bias_{kind}_l0": (4 * width,) for kind in ("ih", "hh")}
    return {f"nn_model.{name}": torch.from_numpy(_random(rng, shape)) for name, shape in weights.items()}


def _random(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    spread = 1.0 / math.sqrt(shape[1]) if len(shape) > 1 else 0.0
    return rng.normal(0.0, spread, shape).astype(np.float32)
