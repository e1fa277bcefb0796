"""The weather of forcing files as the BMI's inputs: matched by name, converted, many catchments and hours at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.run_folder.forcing_reader import STEP, ForcingReader
from bmi_dmg.run_folder.units import Converter, converter
from bmi_dmg.variables import InputVariable
from dmg_core.errors import ConfigError


def source_of(reader: ForcingReader, name: str, units: str, names_map: Mapping[str, str]) -> tuple[str, Converter | None]:
    """Find the forcing variable of an input.

    Parameters
    ----------
    reader : ForcingReader
        The forcing.
    name, units : str
        The input and its unit.
    names_map : mapping of str to str
        Forcing variables by input, where their names differ.

    Returns
    -------
    tuple of str and Converter or None
        The forcing variable, and what turns its values into ``units``, if anything is to be done.

    Raises
    ------
    ConfigError
        If there is none, or its unit measures something else.
    """
    source = names_map.get(name, name)
    if source not in reader.units:
        raise ConfigError(f"{reader.source}: no variable '{source}' for input '{name}'; it has {', '.join(reader.units)}")
    try:
        return source, converter(reader.units[source], units)
    except ConfigError as error:
        raise ConfigError(f"{reader.source}: '{source}' for input '{name}': {error}") from error


class WeatherSource:
    """Hourly inputs of some catchments.

    Parameters
    ----------
    reader : ForcingReader
        The forcing, open.
    ids : sequence of str
        N catchments.
    variables : sequence of InputVariable
        n inputs.
    names_map : mapping of str to str
        Forcing variables by input, where their names differ.

    Raises
    ------
    ConfigError
        See :func:`source_of`.
    ForcingError
        If a catchment has no forcing.
    """

    def __init__(self, reader: ForcingReader, ids: Sequence[str], variables: Sequence[InputVariable], names_map: Mapping[str, str]) -> None:
        self._reader, self._ids = reader, ids
        self._sources = [source_of(reader, variable.name, variable.units, names_map) for variable in variables]
        spans = [reader.coverage(catchment) for catchment in ids]
        self.first = max(first for first, _ in spans)
        self.end = min(last for _, last in spans) + STEP

    @property
    def name(self) -> str:
        """Where the weather comes from, for messages."""
        return str(self._reader.source)

    def read(self, first: datetime, hours: int) -> NDArray[np.float64]:
        """Read a stretch of hours, all of them between :attr:`first` and :attr:`end`, which all catchments have.

        Returns
        -------
        ndarray, shape (hours, N, n)
            Inputs in their units, NaN where the source has a gap.
        """
        begin = (first - self._reader.start) // timedelta(hours=1)
        columns = []
        for source, convert in self._sources:
            values = self._reader.read(source, self._ids, begin, hours)
            columns.append(values if convert is None else convert(values))
        return np.stack(columns, axis=-1)
