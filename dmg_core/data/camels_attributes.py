"""Attributes of CAMELS-US (Addor et al. 2017, HESS 21, 5293-5313) as inputs of a network."""

from __future__ import annotations

import logging
import re
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from dmg_core.data.gauges import rows_of, without_leading_zeros
from dmg_core.errors import AttributeTableError

if TYPE_CHECKING:
    import pandas as pd

LOGGER = logging.getLogger(__name__)

GAUGE: Final = "gauge_id"
#: Misspelt columns of the published files -> the names that the data set's description and trained models have.
PUBLISHED_SPELLINGS: Final = {"geol_porostiy": "geol_porosity"}

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

#: What looks like a number, with a point or a comma, so that a column that has one is no column of words.
_NUMBER: Final = re.compile(r"\s*[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?\s*")
_DECIMAL_COMMA: Final = re.compile(r"[-+]?\d*,\d+")


def read_camels_attributes(
    file: Path, ids: Sequence[str], names: Sequence[str] | None = None
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Read attributes as numbers.

    Classes become numbers by :data:`CLASSES`. Gauges are found by their numbers, with or without leading zeros. Values that are missing
    are filled with the mean over all basins of the table, whichever are asked for, so that a basin has the same attributes in every choice
    of basins; how many were filled is logged.

    Parameters
    ----------
    file : Path
        CSV with a column ``gauge_id``, separated by commas or semicolons.
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
        :data:`CLASSES`; if a column of numbers has a cell that is none, which is named.
    ConfigError
        If gauges are not in the table.
    """
    table = _read(file)
    rows = rows_of(ids, list(table.index), str(file))
    chosen = _numbers(file, table) if names is None else tuple(names)
    columns = [PUBLISHED_SPELLINGS.get(name, name) for name in chosen]
    _require_inputs(file, columns, list(table.columns))
    values = [_filled(file, name, _as_numbers(file, name, table[name])) for name in columns]
    return np.array(values, dtype=np.float64).reshape(len(chosen), len(table)).T[rows], chosen


def gauges_of_table(file: Path, ids: Sequence[str]) -> tuple[str, ...]:
    """Give gauges as a table of attributes spells them; see :func:`read_camels_attributes` for what it raises."""
    spelled = list(_read(file).index)
    return tuple(spelled[row] for row in rows_of(ids, spelled, str(file)))


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
    """Read the table, indexed by gauges, with published misspellings of columns set right."""
    import pandas as pd

    try:
        with file.open(encoding="utf-8-sig") as stream:
            separator = ";" if ";" in stream.readline() else ","
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # a line with more cells than the header would lose some
            table = pd.read_csv(file, dtype={GAUGE: str}, sep=separator, skipinitialspace=True, encoding="utf-8-sig", index_col=False)
    except (OSError, ValueError, pd.errors.ParserWarning) as error:
        raise AttributeTableError(f"{file}: cannot be read: {error}") from error
    columns = [str(name).strip() for name in table.columns]
    table.columns = pd.Index([name if (right := PUBLISHED_SPELLINGS.get(name, name)) in columns else right for name in columns])
    if GAUGE not in table.columns:
        raise AttributeTableError(f"{file}: no column '{GAUGE}'; it has {', '.join(columns)}")
    gauges = ["" if missing else str(gauge).strip() for gauge, missing in zip(table[GAUGE], table[GAUGE].isna(), strict=True)]
    if "" in gauges:
        raise AttributeTableError(f"{file}: line {gauges.index('') + 2} has no {GAUGE}")
    numbers = Counter(map(without_leading_zeros, gauges))
    repeated = {without_leading_zeros(gauge): gauge for gauge in sorted(gauges, key=len) if numbers[without_leading_zeros(gauge)] > 1}
    if repeated:
        raise AttributeTableError(f"{file}: gauges stand there more than once: {', '.join(repeated.values())}")
    indexed: pd.DataFrame = table.assign(**{GAUGE: gauges}).set_index(GAUGE)
    return indexed


def _numbers(file: Path, table: pd.DataFrame) -> tuple[str, ...]:
    """Names of the columns of numbers; one in which some cells are numbers and others are not is refused."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    words = [name for name in table.columns if not is_numeric_dtype(table[name]) and name not in CLASSES]
    for name in words:
        if any(_NUMBER.fullmatch(str(cell)) for cell in table[name].dropna()):
            _as_numbers(file, name, table[name])
    numbers = [name for name in table.columns if is_numeric_dtype(table[name]) and not is_bool_dtype(table[name])]
    return tuple(str(name) for name in numbers if name not in FROM_FLOW | LABELS)


def _require_inputs(file: Path, names: Sequence[str], columns: Sequence[str]) -> None:
    refused = [name for name in names if name in FROM_FLOW]
    if refused:
        raise AttributeTableError(f"computed from observed flow, so no inputs of a model of flow: {', '.join(refused)}")
    missing = [name for name in names if name not in columns]
    if missing:
        near = {name: get_close_matches(name, columns, n=1) for name in missing}
        asked = "".join(f"; is {found[0]!r} meant by {name}?" for name, found in near.items() if found)
        raise AttributeTableError(f"{file}: no columns {', '.join(missing)}; it has {', '.join(columns)}{asked}")


def _as_numbers(file: Path, name: str, column: pd.Series[float]) -> NDArray[np.float64]:
    if name not in CLASSES:
        import pandas as pd

        values = pd.to_numeric(column, errors="coerce")
        wrong = np.flatnonzero(values.isna() & ~column.isna())
        if len(wrong):
            gauge, cell = column.index[wrong[0]], str(column.iloc[wrong[0]]).strip()
            advice = (
                "write it with a decimal point" if _DECIMAL_COMMA.fullmatch(cell) else "expected a number, or nothing if it is not known"
            )
            raise AttributeTableError(f"{file}: attribute {name} is no number for {gauge}, but {cell!r}; {advice}")
        return values.to_numpy(np.float64, na_value=np.nan)
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
