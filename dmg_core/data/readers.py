"""Readers by name: functions ``read(file, attributes_file, ids, attributes, **options) -> BasinData``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from dmg_core.data.basins import BasinData
from dmg_core.data.camels import read_camels
from dmg_core.data.camels_text import read_camels_text
from dmg_core.data.catchment_attributes import CATCHMENT_ATTRIBUTES, SLOPE, catchment_attributes
from dmg_core.data.leaf_gas_exchange import read_leaf_gas_exchange
from dmg_core.data.series import SeriesNames, read_series
from dmg_core.errors import AttributeTableError, ConfigError
from dmg_core.registry import Registry

#: Open to users' own: ``READERS.register("mine")(read_mine)``.
READERS: Final[Registry[Callable[..., BasinData]]] = Registry("reader")

READERS.register("camels")(read_camels)
READERS.register("camels_text")(read_camels_text)
READERS.register("leaf_gas_exchange")(read_leaf_gas_exchange)


@READERS.register("camels_nextgen")
def read_camels_nextgen(
    file: str | Path, attributes_file: str | Path, ids: Sequence[str] | None = None, attributes: Sequence[str] | None = None
) -> BasinData:
    """Read CAMELS-US with the attributes that any NextGen folder gives, its climate computed from the forcing.

    ``p_mean`` and the like of the published table come from other years and another evapotranspiration than those a NextGen folder has.

    Parameters
    ----------
    file, attributes_file, ids
        See :func:`dmg_core.data.camels.read_camels`; the table gives ``slope_mean`` and ``elev_mean``.
    attributes : sequence of str, optional
        Some of :data:`dmg_core.data.catchment_attributes.CATCHMENT_ATTRIBUTES`; by default all.

    Raises
    ------
    AttributeTableError
        If other attributes are asked for.
    ForcingError, ConfigError
        See :func:`dmg_core.data.camels.read_camels`.
    """
    names = CATCHMENT_ATTRIBUTES if attributes is None else tuple(attributes)
    other = [name for name in names if name not in CATCHMENT_ATTRIBUTES]
    if other:
        raise AttributeTableError(f"not every NextGen folder gives {', '.join(other)}; it gives {', '.join(CATCHMENT_ATTRIBUTES)}")
    data = read_camels(file, attributes_file, ids, (SLOPE,))
    values = catchment_attributes(data)
    return data.with_attributes({name: values[name] for name in names})


@READERS.register("series")
def read_named_series(
    file: str | Path,
    attributes_file: str | Path | None = None,
    ids: Sequence[str] | None = None,
    attributes: Sequence[str] | None = None,
    **names: Any,
) -> BasinData:
    """Read any NetCDF or Zarr file; see :func:`dmg_core.data.series.read_series`.

    Parameters
    ----------
    file : str or Path
        Series, and attributes as variables over the basins.
    attributes_file : None
        There is none.
    ids : sequence of str, optional
        Basins; by default all of the file.
    attributes : sequence of str, optional
        Variables of the file, unless ``names`` has them under another name; by default none.
    **names : str
        What variables are called: the fields of :class:`dmg_core.data.series.SeriesNames`, and attributes.

    Raises
    ------
    ConfigError
        If there is a table of attributes, or names do not fit.
    ForcingError, AttributeTableError
        See :func:`dmg_core.data.series.read_series`.
    """
    if attributes_file is not None:
        raise ConfigError(f"the reader 'series' takes attributes from variables of {file}, not from a table ({attributes_file})")
    variables = {name: names.get(name, name) for name in attributes or ()}
    roles = {one.name for one in fields(SeriesNames)}
    others = {name: variable for name, variable in names.items() if name in roles or name not in variables}
    return read_series(file, {**others, "attributes": variables}, ids)
