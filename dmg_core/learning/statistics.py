"""Statistics that normalise the inputs of a network, from the training days and basins only."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dmg_core.data import BasinData
from dmg_core.normalization import LOG_OFFSET, MEAN, STD, is_constant

LOGGER = logging.getLogger(__name__)

#: Names of forcings in the statistics of trained models, where they are others than their symbols.
_NAMES: Final = {"P": "prcp", "T": "tmean"}

Row = tuple[float, float, float, float, float, float]


def statistic_of(forcing: str) -> str:
    """Name of a forcing in the statistics of trained models."""
    return _NAMES.get(forcing, forcing)


def training_statistics(data: BasinData, training: NDArray[np.bool_], log_names: Collection[str]) -> dict[str, Row]:
    """Give rows as ``normalization_statistics.json`` holds them, and log which variables never vary.

    Parameters
    ----------
    data : BasinData
        All basins.
    training : ndarray of bool, shape (T, B)
        Which days of which basins are learned from.
    log_names : collection of str
        Log-normalised variables, whose statistics are those of ``log10(sqrt(x) + 0.1)``.

    Returns
    -------
    dict of str to (p10, p90, mean, std, min, max)
        Forcings over these days, attributes over the basins that have any.
    """
    columns = {statistic_of(name): data.forcing[..., column][training] for column, name in enumerate(data.forcing_names)}
    columns |= {name: data.attributes[training.any(axis=0), column] for column, name in enumerate(data.attribute_names)}
    rows = {name: _row(values, logarithmic=name in log_names) for name, values in columns.items()}
    constant = [f"{name} ({columns[name].flat[0]:g})" for name, row in rows.items() if is_constant(row[MEAN], row[STD])]
    if constant:
        LOGGER.warning("the same in all that is learned from, so that nothing can be learned from it: %s", ", ".join(constant))
    return rows


def _row(values: NDArray[np.float64], *, logarithmic: bool) -> Row:
    if logarithmic:
        values = np.log10(np.sqrt(np.maximum(values, 0.0)) + LOG_OFFSET)
    p10, p90 = np.percentile(values, (10, 90))
    least, largest = float(values.min()), float(values.max())
    mean, std = (least, 0.0) if least == largest else (float(values.mean()), float(values.std()))  # a constant without rounding
    return float(p10), float(p90), mean, std, least, largest
