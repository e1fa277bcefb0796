"""Parameters set from outside, as calibration does: a value in place of the network's, a multiplier on what stands there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from threading import RLock
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from dmg_core.engine.arrays import CatchmentArrays
from dmg_core.engine.turns import in_turn
from dmg_core.errors import ConfigError
from dmg_core.model_form import ModelForm
from dmg_core.models import Parameter

Rows = npt.NDArray[np.int64]

#: Places in the array of changes to dynamic parameters: ``factor * network's value + offset``.
FACTOR, OFFSET = range(2)

#: A change that changes nothing.
UNCHANGED: Final = (1.0, 0.0)


class Change(NamedTuple):
    """What is set for a parameter of a catchment.

    Attributes
    ----------
    value : float or None
        In place of what the network gives, if any.
    multiplier : float
        On the value or, where there is none, on what the network gives.
    """

    value: float | None = None
    multiplier: float = 1.0

    @property
    def factor_and_offset(self) -> tuple[float, float]:
        """What the network's value is multiplied by, and what is added then."""
        return (self.multiplier, 0.0) if self.value is None else (0.0, self.multiplier * self.value)

    def __str__(self) -> str:
        """Say it as it was set."""
        stands = "the network's" if self.value is None else f"{self.value:g}"
        return stands if self.multiplier == 1.0 else f"{stands} × {self.multiplier:g}"


_NOTHING: Final = Change()


class Calibration:
    """Changes of the parameters of an engine's catchments.

    A value takes the place of the network's, a multiplier multiplies whatever stands there: with both set, in whichever order, the
    parameter is value × multiplier. Each can be set again, and the last one counts. A parameter that varies in time becomes constant when a
    value is set; a multiplier alone follows the network. What comes of a multiplier stays within the parameter's range.

    Parameters
    ----------
    model : ModelForm
        Whose parameters there are.
    lock : RLock, optional
        That of the engine, held while its arrays are changed.
    """

    def __init__(self, model: ModelForm, lock: Any = None) -> None:
        self.lock = RLock() if lock is None else lock
        physics = model.physics
        self._columns = [parameter.symbol for parameter in physics.process.parameters]
        self._parameters = {parameter.name: parameter for parameter in physics.table}
        self._dynamic = [parameter.name for parameter in physics.dynamic_parameters]
        self._static_from_series = model.static_from_series
        self._changes: dict[int, dict[str, Change]] = {}
        self._of_network: dict[int, dict[str, npt.NDArray[np.float64]]] = {}

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """The parameters there are, by name."""
        return self._parameters

    @in_turn
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
        self._set(arrays, row, name, self.setting_of(row, name)._replace(value=value))

    @in_turn
    def multiply(self, arrays: CatchmentArrays, row: int, name: str, multiplier: float) -> None:
        """Multiply what the network gives for a parameter of a catchment, or the value that is set in its place.

        Raises
        ------
        ConfigError
            If the multiplier is not a positive number, or the model's static parameters come from a series: they are part of its states,
            and a restart would multiply them again.
        """
        if self.stays_in_states(name):
            raise ConfigError(f"{name} does not vary in time and comes from a series in this model: set a value, not a multiplier")
        if not (multiplier > 0.0 and math.isfinite(multiplier)):
            raise ConfigError(f"the multiplier of {name} cannot be {multiplier:g}, expected a positive number")
        self._set(arrays, row, name, self.setting_of(row, name)._replace(multiplier=multiplier))

    def setting_of(self, row: int, name: str) -> Change:
        """Give what is set for a parameter of a catchment."""
        return self._changes.get(row, {}).get(name, _NOTHING)

    def change_of(self, row: int, name: str) -> tuple[float, float]:
        """Factor and offset by which a parameter of a catchment is changed."""
        return self.setting_of(row, name).factor_and_offset

    def to_array(self, row: int) -> npt.NDArray[np.float64]:
        """Give all that is set for a catchment, shape (P, 3): whether there is a value, the value, the multiplier, for each parameter."""
        settings = [self.setting_of(row, name) for name in self._parameters]
        return np.array([(value is not None, value or 0.0, multiplier) for value, multiplier in settings], np.float64)

    def from_array(self, array: npt.NDArray[np.float64]) -> dict[str, Change]:
        """Say by name what :meth:`to_array` gave."""
        rows = zip(self._parameters, array.tolist(), strict=True)
        return {name: Change(value if is_set else None, multiplier) for name, (is_set, value, multiplier) in rows}

    def stays_in_states(self, name: str) -> bool:
        """Whether a parameter is part of the states, so that a value takes the place of the network's in them for good."""
        return self._static_from_series and name not in self._dynamic

    def forget(self, row: int) -> None:
        """Drop the changes of a catchment that is no more."""
        self._changes.pop(row, None)
        self._of_network.pop(row, None)

    def apply(self, arrays: CatchmentArrays, rows: Rows) -> None:
        """Change the static parameters of catchments that have just got them from the network, or from a state."""
        if not self._changes:
            return
        for row in rows.tolist():
            self._of_network.pop(row, None)
            for name, change in self._changes.get(row, {}).items():
                if name not in self._dynamic:
                    self._apply_static(arrays, row, name, change)

    def _set(self, arrays: CatchmentArrays, row: int, name: str, change: Change) -> None:
        if name in self._dynamic:
            arrays.dynamic_change[row, self._dynamic.index(name)] = change.factor_and_offset
        elif arrays.settled[row]:
            self._apply_static(arrays, row, name, change)
        self._changes.setdefault(row, {})[name] = change

    def _apply_static(self, arrays: CatchmentArrays, row: int, name: str, change: Change) -> None:
        parameter = self._parameters[name]
        values = arrays.parameters[row, :, self._columns.index(parameter.symbol)]
        of_network = self._of_network.setdefault(row, {}).setdefault(name, values.copy())
        factor, offset = change.factor_and_offset
        values[:] = np.clip(factor * of_network + offset, parameter.low, parameter.high)
