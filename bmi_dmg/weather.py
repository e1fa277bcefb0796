"""The weather of an hour: what the framework has set, checked, and turned into what the model needs, in compiled code."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from bmi_dmg.variables import InputVariable
from dmg_core.compilation import compile_kernel
from dmg_core.errors import ForcingError
from dmg_core.physics import kernels, operations, pet
from dmg_core.physics.kernels import COMPILED

Array = npt.NDArray[np.float64]

#: What :func:`hour_of` returns when every value is possible.
ALL_POSSIBLE: Final = -1

#: Modules the compiled code is made of.
SOURCES = (sys.modules[__name__], operations, kernels, pet)


class Weather:
    """Input variables of one catchment.

    Parameters
    ----------
    catchment_id : str
        For messages.
    variables : sequence of InputVariable
        Precipitation and temperature first, then what Penman–Monteith needs, if anything.

    Attributes
    ----------
    values : ndarray, shape (n,)
        What the framework has set, NaN before.
    low, high : ndarray, shape (n,)
        What is physically possible.
    hour : ndarray, shape (3,)
        Precipitation (mm/h), temperature (°C) and potential evapotranspiration (mm/h) of the hour.
    """

    def __init__(self, catchment_id: str, variables: Sequence[InputVariable]) -> None:
        self._catchment_id = catchment_id
        self._variables = variables
        self.values = np.full(len(variables), math.nan)
        self.low = np.array([variable.low for variable in variables])
        self.high = np.array([variable.high for variable in variables])
        self.hour = np.zeros(3)

    def error(self, index: int, time: datetime) -> ForcingError:
        """Say what is wrong with input ``index`` in the hour that starts at ``time``."""
        variable, value = self._variables[index], self.values[index]
        problem = "is not set" if math.isnan(value) else f"is {value:g} {variable.units}"
        return ForcingError(
            f"catchment {self._catchment_id}, {time:%Y-%m-%d %H:%M}: {variable.name} {problem}, "
            f"expected {variable.low:g} to {variable.high:g} {variable.units}"
        )


def hour_of(inputs: Array, low: Array, high: Array, hour: Array) -> int:
    """Check the weather of an hour and take what the model needs; ``penman_monteith`` is bound when this is compiled.

    Parameters
    ----------
    inputs, low, high, hour : ndarray
        See :class:`Weather`. Without the inputs of Penman–Monteith, potential evapotranspiration is 0.

    Returns
    -------
    int
        Index of the first impossible or non-finite value, and nothing is changed; or :data:`ALL_POSSIBLE`.
    """
    for i in range(inputs.shape[0]):
        if not (low[i] <= inputs[i] <= high[i]):
            return i
    hour[0], hour[1], hour[2] = inputs[0], inputs[1], 0.0
    if inputs.shape[0] > 2:
        hour[2] = penman_monteith(inputs[1], inputs[2], inputs[3], inputs[4], inputs[5], inputs[6], inputs[7])  # type: ignore[name-defined]  # noqa: F821
    return ALL_POSSIBLE


@cache
def compiled_hour_of() -> Callable[..., int]:
    """Machine code of :func:`hour_of`."""
    return compile_kernel(hour_of, "", SOURCES, penman_monteith=pet.penman_monteith_equation(COMPILED))
