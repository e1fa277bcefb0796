"""From a simulated flow to quantiles of what may really flow.

Errors of a model are alike where flows are alike: relative errors of low flow are larger than those of floods, and those of dry basins
larger than those of wet ones. So quantiles are looked up by the class of the flow, as it stands to what is usual in its basin, and
stretched by a scale of the basin. Both come from attributes, so that basins without a gauge have them too.

With the flow q of a step, in mm/d, and x = log(q + offset):

    class        c = x - regime                         regime: linear in the attributes, the usual x
    quantiles    log(Q + offset) = x + scale z(c)       z: by level, linear between the centres of the classes
    scale        log(scale) = linear in the attributes, and in log((s + offset) / (q + offset)) of predictors s, as the members' std

and Q is 0 where it would be below. Quantiles of one step never cross, because those of no class do.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from dmg_core.errors import AttributeTableError

Array = npt.NDArray[np.float64]

#: The largest factor by which a predictor or attributes may narrow or widen what was calibrated.
WIDEST: Final = 20.0


class Place(NamedTuple):
    """What attributes say of basins.

    Attributes
    ----------
    regime : ndarray, shape (...)
        Usual logarithm of flow and offset.
    log_scale : ndarray, shape (...)
        Logarithm of the scale, without predictors.
    """

    regime: Array
    log_scale: Array


@dataclass(frozen=True, eq=False)
class Spread:
    """Calibrated quantiles of a model's flow.

    Attributes
    ----------
    levels : tuple of float
        L levels, ascending between 0 and 1.
    offset : float
        Added to flows before logarithms are taken, mm/d, so that zero flow has one.
    attributes : tuple of str
        A attributes; none where basins are taken for alike.
    ranges : ndarray, shape (4, A)
        Mean, standard deviation, lowest and highest value of each in the calibration. Values outside count as those at the edge.
    regime, scale : ndarray, shape (1 + A,)
        Constant, and weight of each standardised attribute.
    predictors : dict of str to float
        Outputs of the model that tell of the spread, with the weight of their logarithm in that of the scale.
    centres : ndarray, shape (K,)
        Of the classes, ascending.
    quantiles : ndarray, shape (K, L)
        Of the scaled errors of each class.
    model : str
        Digest of the weights it was calibrated for (:func:`dmg_core.spread.file.digest_of_weights`).
    calibration : dict
        What it was calibrated on, for people.
    """

    levels: tuple[float, ...]
    offset: float
    attributes: tuple[str, ...]
    ranges: Array
    regime: Array
    scale: Array
    predictors: Mapping[str, float]
    centres: Array
    quantiles: Array
    model: str
    calibration: Mapping[str, Any]

    def place(self, values: Mapping[str, npt.ArrayLike]) -> Place:
        """Say what the attributes of basins tell.

        Parameters
        ----------
        values : mapping of str to array_like, shape (...)
            Attributes by name; others are ignored.

        Raises
        ------
        AttributeTableError
            If an attribute is missing.
        """
        missing = [name for name in self.attributes if name not in values]
        if missing:
            raise AttributeTableError(f"the spread of the model needs the attributes {', '.join(missing)}, which are missing")
        table = [np.asarray(values[name], np.float64) for name in self.attributes]
        standard = standardised(np.stack(table, axis=-1), self.ranges) if table else np.empty((0,))
        return Place(self.regime[0] + standard @ self.regime[1:], self.scale[0] + standard @ self.scale[1:])

    def of_flow(self, flow: npt.ArrayLike, place: Place, predictors: Mapping[str, npt.ArrayLike] | None = None) -> Array:
        """Give quantiles of flows.

        Parameters
        ----------
        flow : array_like, shape (...)
            Simulated, mm/d.
        place : Place
            Of the basins; shapes that go with that of the flow.
        predictors : mapping of str to array_like, shape (...)
            Those that :attr:`predictors` names, in mm/d.

        Returns
        -------
        ndarray, shape (..., L)
            mm/d, ascending, 0 or more; NaN where the flow is.
        """
        level = np.log(np.maximum(np.asarray(flow, np.float64), 0.0) + self.offset)
        log_scale = place.log_scale
        for name, weight in self.predictors.items():
            log_scale = log_scale + weight * (np.log(np.maximum(np.asarray((predictors or {})[name]), 0.0) + self.offset) - level)
        scale = np.exp(np.clip(log_scale, self.scale[0] - np.log(WIDEST), self.scale[0] + np.log(WIDEST)))
        above = level - place.regime
        errors = np.stack([np.interp(above, self.centres, column) for column in self.quantiles.T], axis=-1)
        return np.asarray(np.maximum(np.exp(level[..., None] + scale[..., None] * errors) - self.offset, 0.0))

    @cached_property
    def digest(self) -> str:
        """Hash of all that shapes quantiles."""
        shaping = {name: value for name, value in self.to_dict().items() if name != "calibration"}
        return hashlib.sha256(json.dumps(shaping, sort_keys=True).encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Describe it for a file; see :func:`dmg_core.spread.file.read_spread`."""
        mean, deviation, lowest, highest = self.ranges.tolist()
        named = zip(self.attributes, mean, deviation, lowest, highest, self.regime[1:].tolist(), self.scale[1:].tolist(), strict=True)
        keys = ("mean", "std", "min", "max", "regime", "scale")
        return {
            "levels": list(self.levels),
            "offset": self.offset,
            "regime": float(self.regime[0]),
            "scale": float(self.scale[0]),
            "attributes": {name: dict(zip(keys, numbers, strict=True)) for name, *numbers in named},
            "predictors": dict(self.predictors),
            "classes": {"centres": self.centres.tolist(), "quantiles": self.quantiles.tolist()},
            "model": self.model,
            "calibration": dict(self.calibration),
        }


def standardised(values: Array, ranges: Array) -> Array:
    """Give attributes (..., A) as deviations from the mean over the standard deviation, within what was seen."""
    mean, deviation, lowest, highest = ranges
    return np.asarray((np.clip(values, lowest, highest) - mean) / deviation)


def name_of_level(level: float) -> str:
    """Name a quantile by its decimals, two at least: q05 of 0.05, q50 of 0.5, q975 of 0.975."""
    decimals = f"{level:.6f}".rstrip("0").split(".")[1]
    return f"q{decimals:0<2}"
