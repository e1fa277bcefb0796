"""Attributes of CAMELS-US (Addor et al. 2017, HESS 21, 5293-5313) as inputs of a network."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from dmg_core.data.basins import rows_of
from dmg_core.errors import AttributeTableError

if TYPE_CHECKING:
    import pandas as pd

LOGGER = logging.getLogger(__name__)

GAUGE: Final = "gauge_id"
#: Digits of a gauge's number; leading zeros are lost where a program took it for a number.
GAUGE_DIGITS: Final = 8

#: The attributes of the published δHBV 1.x models.
CAMELS_35: Final = (
    "p_mean", "pet_mean", "p_seasonality", "frac_snow", "aridity", "high_prec_freq", "high_prec_dur", "low_prec_freq", "low_prec_dur",
    "elev_mean", "slope_mean", "area_gages2", "frac_forest", "lai_max", "lai_diff", "gvf_max", "gvf_diff", "dom_land_cover_frac",
    "dom_land_cover", "root_depth_50", "soil_depth_pelletier", "soil_depth_statsgo", "soil_porosity", "soil_conductivity",
    "max_water_content", "sand_frac", "silt_frac", "clay_frac", "geol_1st_class", "glim_1st_class_frac", "geol_2nd_class",
    "glim_2nd_class_frac", "carbonate_rocks_frac", "geol_porosity", "geol_permeability",
)  # fmt: skip

#: Computed from observed flow, which an ungauged basin does not have: never inputs.
FROM_FLOW: Final = frozenset({
    "q_mean", "runoff_ratio", "slope_fdc", "baseflow_index", "stream_elas", "q5", "q95", "high_q_freq", "high_q_dur", "low_q_freq",
    "low_q_dur", "zero_q_freq", "hfd_mean",
})  # fmt: skip

#: Labels in the form of numbers: no quantity of which there is more or less.
LABELS: Final = frozenset({"huc_02"})

GEOLOGY: Final = (
    "Acid plutonic rocks", "Acid volcanic rocks", "Basic plutonic rocks", "Basic volcanic rocks", "Carbonate sedimentary rocks",
    "Evaporites", "Ice and glaciers", "Intermediate plutonic rocks", "Intermediate volcanic rocks", "Metamorphics",
    "Mixed sedimentary rocks", "Pyroclastics", "Siliciclastic sedimentary rocks", "Unconsolidated sediments", "Water bodies",
)  # fmt: skip
SEASONS: Final = ("djf", "jja", "mam", "son")
LAND_COVER: Final = (
    "Barren or Sparsely Vegetated", "Closed Shrublands", "Cropland/Natural Vegetation Mosaic", "Croplands", "Deciduous Broadleaf Forest",
    "Deciduous Needleleaf Forest", "Evergreen Broadleaf Forest", "Evergreen Needleleaf Forest", "Grasslands", "Mixed Forests",
    "Open Shrublands", "Permanent Wetlands", "Savannas", "Snow and Ice", "Urban and Built-up", "Water", "Woody Savannas",
)  # fmt: skip

#: Attribute -> its classes in alphabetical order. The number of a class is its place, from 0; that a basin has none is -1.
CLASSES: Final[Mapping[str, tuple[str, ...]]] = {
    "geol_1st_class": GEOLOGY,
    "geol_2nd_class": GEOLOGY,
    "dom_land_cover": LAND_COVER,
    "high_prec_timing": SEASONS,
    "low_prec_timing": SEASONS,
}
NO_CLASS: Final = -1.0


def read_camels_attributes(
    file: Path, ids: Sequence[str], names: Sequence[str] | None = None
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Read attributes as numbers.

    Classes become numbers by :data:`CLASSES`. Values that are missing are filled with the mean over all basins of the table, whichever are
    asked for, so that a basin has the same attributes in every choice of basins; how many were filled is logged.

    Parameters
    ----------
    file : Path
        CSV with a column ``gauge_id``.
    ids : sequence of str
        B gauges.
    names : sequence of str, optional
        A attributes; by default all columns of numbers that are neither labels nor computed from flow, in the file's order.

    Returns
    -------
    tuple of ndarray, shape (B, A), and tuple of str

    Raises
    ------
    AttributeTableError
        If the file cannot be read; if attributes are computed from flow, not there, without any value, or words that are no class of
        :data:`CLASSES`.
    ConfigError
        If gauges are not in the table.
    """
    table = _read(file)
    rows = rows_of(ids, list(table.index), str(file))
    chosen = _numbers(table) if names is None else tuple(names)
    _require_inputs(file, chosen, list(table.columns))
    columns = [_filled(file, name, _as_numbers(file, name, table[name])) for name in chosen]
    return np.array(columns, dtype=np.float64).reshape(len(chosen), len(table)).T[rows], chosen


def read_labels(file: Path, ids: Sequence[str], name: str = "huc_02") -> NDArray[np.str_]:
    """Read a column as words, such as the regions by which basins are held out.

    Parameters
    ----------
    file : Path
        CSV with a column ``gauge_id``.
    ids : sequence of str
        B gauges.
    name : str
        The column.

    Returns
    -------
    ndarray of str, shape (B,)

    Raises
    ------
    AttributeTableError
        If the file cannot be read, or has no such column.
    ConfigError
        If gauges are not in the table.
    """
    table = _read(file)
    if name not in table.columns:
        raise AttributeTableError(f"{file}: no column '{name}'; it has {', '.join(table.columns)}")
    return table[name].iloc[rows_of(ids, list(table.index), str(file))].astype(str).to_numpy(np.str_)


def _read(file: Path) -> pd.DataFrame:
    """Read the table, indexed by gauges with their leading zeros."""
    import pandas as pd

    try:
        table = pd.read_csv(file, dtype={GAUGE: str})
    except (OSError, ValueError) as error:
        raise AttributeTableError(f"{file}: cannot be read: {error}") from error
    if GAUGE not in table.columns:
        raise AttributeTableError(f"{file}: no column '{GAUGE}'; it has {', '.join(table.columns)}")
    table[GAUGE] = table[GAUGE].str.zfill(GAUGE_DIGITS)
    repeated = table[GAUGE][table[GAUGE].duplicated()]
    if len(repeated):
        raise AttributeTableError(f"{file}: gauges stand there more than once: {', '.join(repeated)}")
    indexed: pd.DataFrame = table.set_index(GAUGE)
    return indexed


def _numbers(table: pd.DataFrame) -> tuple[str, ...]:
    return tuple(str(name) for name in table.select_dtypes("number").columns if name not in FROM_FLOW | LABELS)


def _require_inputs(file: Path, names: Sequence[str], columns: Sequence[str]) -> None:
    refused = [name for name in names if name in FROM_FLOW]
    if refused:
        raise AttributeTableError(f"computed from observed flow, so no inputs of a model of flow: {', '.join(refused)}")
    missing = [name for name in names if name not in columns]
    if missing:
        raise AttributeTableError(f"{file}: no columns {', '.join(missing)}; it has {', '.join(columns)}")


def _as_numbers(file: Path, name: str, column: pd.Series[float]) -> NDArray[np.float64]:
    if name not in CLASSES:
        try:
            return column.to_numpy(np.float64)
        except ValueError as error:
            raise AttributeTableError(f"{file}: attribute {name} is no number and has no known classes: {error}") from error
    numbers = {label.lower(): float(number) for number, label in enumerate(CLASSES[name])}
    words = ["" if missing else str(word).strip().lower() for word, missing in zip(column, column.isna(), strict=True)]
    unknown = sorted(set(words) - set(numbers) - {""})
    if unknown:
        raise AttributeTableError(f"{file}: attribute {name} is '{unknown[0]}'; known are {', '.join(CLASSES[name])}")
    return np.array([numbers.get(word, NO_CLASS) for word in words])


def _filled(file: Path, name: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
    missing = ~np.isfinite(values)
    if missing.all():
        raise AttributeTableError(f"{file}: attribute {name} has no value for any basin")
    if missing.any():
        mean = values[~missing].mean()
        LOGGER.warning(
            "%s: attribute %s is missing in %d of %d basins; their mean %g was taken", file, name, missing.sum(), len(values), mean
        )
        return np.where(missing, mean, values)
    return values
