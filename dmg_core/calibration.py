"""Parameters set from outside, as calibration does: a value in place of the network's, or a multiplier on it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np

from dmg_core.arrays import CatchmentArrays
from dmg_core.errors import ConfigError
from dmg_core.model import DeltaModel
from dmg_core.models import Parameter

#: Places in the array of changes to dynamic parameters: ``factor * network's value + offset``.
FACTOR, OFFSET = range(2)

#: A change that changes nothing.
UNCHANGED: Final = (1.0, 0.0)


class Calibration:
    """Changes of the parameters of an engine's catchments.

    A parameter that varies in time becomes constant when a value is set; a multiplier follows the network. What a multiplier gives stays
    within the parameter's range.

    Parameters
    ----------
    model : DeltaModel
        Whose parameters there are.
    """

    def __init__(self, model: DeltaModel) -> None:
        physics = model.physics
        self._columns = [parameter.symbol for parameter in physics.process.parameters]
        self._parameters = {parameter.name: parameter for parameter in physics.table}
        self._dynamic = [parameter.name for parameter in physics.dynamic_parameters]
        self._static_from_series = model.static_from_series
        self._changes: dict[int, dict[str, tuple[float, float]]] = {}

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """The parameters there are, by name."""
        return self._parameters

    def set_value(self, arrays: CatchmentArrays, row: int, name: str, value: float) -> None:
        """Set a parameter of a catchment, the same for all components.

        Raises
        ------
        ConfigError
            If the value is not within the parameter's range.
        """
        parameter = self._parameters[name]
        if not parameter.low <= value <= parameter.high:
            raise ConfigError(f"{name} cannot be {value:g}, expected {parameter.low:g} to {parameter.high:g} {parameter.unit}")
        self._set(arrays, row, name, (0.0, value))

    def multiply(self, arrays: CatchmentArrays, row: int, name: str, multiplier: float) -> None:
        """Multiply what the network gives for a parameter of a catchment.

        Raises
        ------
        ConfigError
            If the multiplier is not a positive number, or the model's static parameters come from a series: they are part of its states,
            and a restart would multiply them again.
        """
        if self._static_from_series and name not in self._dynamic:
            raise ConfigError(f"{name} does not vary in time and comes from a series in this model: set a value, not a multiplier")
        if not (multiplier > 0.0 and math.isfinite(multiplier)):
            raise ConfigError(f"the multiplier of {name} cannot be {multiplier:g}, expected a positive number")
        self._set(arrays, row, name, (multiplier, 0.0))

    def change_of(self, row: int, name: str) -> tuple[float, float]:
        """Factor and offset by which a parameter of a catchment is changed."""
        return self._changes.get(row, {}).get(name, UNCHANGED)

    def forget(self, row: int) -> None:
        """Drop the changes of a catchment that is no more."""
        self._changes.pop(row, None)

    def apply(self, arrays: CatchmentArrays, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
        """Change the static parameters of catchments that have just got them from the network."""
        if not self._changes:
            return
        for row in rows.tolist():
            for name, change in self._changes.get(row, {}).items():
                if name not in self._dynamic:
                    self._apply_static(arrays, row, name, change)

    def _set(self, arrays: CatchmentArrays, row: int, name: str, change: tuple[float, float]) -> None:
        before = self.change_of(row, name)
        if name in self._dynamic:
            arrays.dynamic_change[row, self._dynamic.index(name)] = change
        elif arrays.settled[row]:
            if before != UNCHANGED:
                raise ConfigError(f"{name} was changed before; set it once, before the first step")
            self._apply_static(arrays, row, name, change)
        self._changes.setdefault(row, {})[name] = change

    def _apply_static(self, arrays: CatchmentArrays, row: int, name: str, change: tuple[float, float]) -> None:
        parameter = self._parameters[name]
        values = arrays.parameters[row, :, self._columns.index(parameter.symbol)]
        values[:] = np.clip(change[FACTOR] * values + change[OFFSET], parameter.low, parameter.high)
