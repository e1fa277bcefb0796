"""The file of a spread in a model folder, ``spread.json``."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any, Final

import numpy as np

from dmg_core.documents import load_json
from dmg_core.errors import CheckpointError
from dmg_core.files import written_whole
from dmg_core.metrics import level_weights
from dmg_core.spread.spread import Spread

SPREAD_NAME: Final = "spread.json"
FORMAT: Final = "bmi-dmg spread 1"

#: What of a model folder a spread belongs to.
_WEIGHTS: Final = ("*.pt", "*.safetensors")
_KEYS: Final = {"format", "levels", "offset", "regime", "scale", "attributes", "predictors", "classes", "model", "calibration"}
_OF_ATTRIBUTE: Final = ("mean", "std", "min", "max", "regime", "scale")


def digest_of_weights(folder: str | Path) -> str:
    """Hash the weights in a model folder and in the folders of its members, by their places and contents."""
    root, digest = Path(folder), hashlib.sha256()
    for file in sorted(file for pattern in _WEIGHTS for file in root.rglob(pattern)):
        digest.update(f"{file.relative_to(root).as_posix()}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def write_spread(folder: str | Path, spread: Spread) -> Path:
    """Write the spread of a model into its folder, whole or not at all, and give the path of the file."""
    path = Path(folder) / SPREAD_NAME
    with written_whole(path) as stream:
        stream.write(json.dumps({"format": FORMAT, **spread.to_dict()}, indent=1, allow_nan=False).encode())
    return path


def read_spread(folder: str | Path) -> Spread | None:
    """Read the spread in a model folder; None where there is none.

    Raises
    ------
    CheckpointError
        If the file is damaged, or belongs to other weights.
    """
    path = Path(folder) / SPREAD_NAME
    if not path.is_file():
        return None
    try:
        spread = _spread_of(load_json(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        told = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise CheckpointError(f"{path}: is no spread of a model: {told}; make it anew with 'bmi-dmg spread', or remove it") from error
    if spread.model != digest_of_weights(folder):
        raise CheckpointError(
            f"{path}: the spread was calibrated for other weights than those that are in the folder now; calibrate it anew with "
            "'bmi-dmg spread', or remove it"
        )
    return spread


def _spread_of(document: Any) -> Spread:
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError(f"expected format {FORMAT!r}")
    if document.keys() != _KEYS:
        raise ValueError(f"expected the keys {', '.join(sorted(_KEYS))}, found {', '.join(sorted(map(str, document)))}")
    named, classes = document["attributes"], document["classes"]
    table = np.array([[float(one[key]) for key in _OF_ATTRIBUTE] for one in named.values()], np.float64).reshape(len(named), 6).T
    spread = Spread(
        levels=tuple(float(level) for level in document["levels"]),
        offset=float(document["offset"]),
        attributes=tuple(named),
        ranges=np.ascontiguousarray(table[:4]),
        regime=np.array([float(document["regime"]), *table[4]]),
        scale=np.array([float(document["scale"]), *table[5]]),
        predictors={str(name): float(weight) for name, weight in document["predictors"].items()},
        centres=np.array(classes["centres"], np.float64),
        quantiles=np.array(classes["quantiles"], np.float64),
        model=str(document["model"]),
        calibration=dict(document["calibration"]),
    )
    _check(spread)
    return spread


def _check(spread: Spread) -> None:
    """Refuse numbers that would give no quantiles, or quantiles that cross."""
    level_weights(spread.levels)
    if not (math.isfinite(spread.offset) and spread.offset > 0.0):
        raise ValueError(f"offset is {spread.offset}, expected a number above 0")
    expected = (len(spread.centres), len(spread.levels))
    if spread.quantiles.shape != expected or not len(spread.centres):
        raise ValueError(f"quantiles have shape {spread.quantiles.shape}, expected {expected}: classes, levels")
    numbers = (spread.ranges, spread.regime, spread.scale, spread.centres, spread.quantiles, np.array(list(spread.predictors.values())))
    if not all(np.isfinite(array).all() for array in numbers):
        raise ValueError("numbers in it are not finite")
    if not (np.diff(spread.centres) > 0.0).all():
        raise ValueError("the centres of its classes do not ascend")
    if not (np.diff(spread.quantiles, axis=1) >= 0.0).all():
        raise ValueError("quantiles of a class do not ascend")
    if not (spread.ranges[1] > 0.0).all():
        raise ValueError("an attribute has no standard deviation above 0")
