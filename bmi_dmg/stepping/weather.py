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

from bmi_dmg.stepping import row as rows
from bmi_dmg.stepping.row import ACCEPTED, BEFORE, HOUR, INPUTS, MISSING, WIDTH, new_row
from bmi_dmg.variables import InputVariable
from dmg_core.equations import compile_scalar, primitives
from dmg_core.equations.compilation import compile_kernel, digest_of
from dmg_core.errors import ForcingError
from dmg_core.physics import pet

Array = npt.NDArray[np.float64]

#: What :func:`hour_of` returns when every value is possible.
ALL_POSSIBLE: Final = -1

#: Place of precipitation among the variables.
RAIN: Final = 0

#: What to do about a missing value, where none may take its place or none can.
_REMEDIES: Final = (
    "there has been no hour yet whose values could be held",
    "'missing_forcing: hold' or 'zero_rain' in the BMI config says what to do where weather is missing",
)

#: Of the modules the compiled code is made of.
_DIGEST = digest_of(sys.modules[__name__], rows, pet, primitives)


class Weather:
    """Input variables of one catchment.

    Parameters
    ----------
    catchment_id : str
        For messages.
    variables : sequence of InputVariable
        Precipitation and temperature first, then what Penman–Monteith needs, if anything.
    missing : {"error", "hold", "zero_rain"}
        What to do where a value is missing (NaN): refuse it; take the last one there was; or the same, but no rain.

    Attributes
    ----------
    catchment_id : str
        The catchment.
    values : ndarray, shape (n,)
        What the framework has set, NaN before.
    hour : ndarray, shape (3,)
        Precipitation (mm/h), temperature (°C) and potential evapotranspiration (mm/h) of the hour.
    missing_hours : ndarray, shape (n,)
        Hours in which each variable was missing.
    limits : tuple of ndarray, shapes (n,)
        What is physically possible, low and high.
    row : Row
        Where all of these numbers lie, and room for those of the catchment's stepper.
    """

    def __init__(self, catchment_id: str, variables: Sequence[InputVariable], missing: str = "error") -> None:
        self.catchment_id = catchment_id
        self._variables = variables
        self._missing = missing
        self.limits = _limits(tuple(variables))
        self.row = new_row()
        count = len(variables)
        self.values, self.hour = self.row.part(INPUTS, count), self.row.part(HOUR, 3)
        self.missing_hours, self._accepted = self.row.part(MISSING, count), self.row.part(ACCEPTED, count + 1)
        self.values[:] = math.nan
        self._mended: list[int] = []

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the variables."""
        return tuple(variable.name for variable in self._variables)

    def state(self) -> dict[str, Array]:
        """Arrays that must survive a restart: the last good hour, and the counts; live."""
        return {"weather": self._accepted, "missing_hours": self.missing_hours}

    def mend(self, time: datetime) -> None:
        """Put something in the place of missing values, if that is wanted and possible.

        Parameters
        ----------
        time : datetime
            Start of the hour.

        Raises
        ------
        ForcingError
            If a value is not missing but impossible, or nothing may or can take its place; nothing is changed then.
        """
        replacements = {}
        for index, (value, variable) in enumerate(zip(self.values, self._variables, strict=True)):
            if math.isnan(value) and self._missing == "zero_rain" and index == RAIN:
                replacements[index] = 0.0
            elif math.isnan(value) and self._missing != "error" and self._accepted[-1]:
                replacements[index] = self._accepted[index]
            elif not variable.low <= value <= variable.high:
                raise self._error(index, time)
        for index, value in replacements.items():
            self.values[index] = value
            self.missing_hours[index] += 1.0
        self._mended = list(replacements)

    def unmend(self) -> None:
        """Make what was missing in the last hour missing again: it is, until something is set."""
        if self._mended:
            self.values[self._mended] = math.nan
            self._mended = []

    def take_back(self) -> None:
        """Forget the hour that :func:`hour_of_row` has taken, because the model's step with it has failed.

        What is missing now was missing in it, and was counted.
        """
        self._accepted[:] = self.row.part(BEFORE, len(self._accepted))
        self.missing_hours[np.isnan(self.values)] -= 1.0

    def _error(self, index: int, time: datetime) -> ForcingError:
        variable, value = self._variables[index], self.values[index]
        problem, remedy = f"is {value:g} {variable.units}", ""
        if math.isnan(value):
            problem, remedy = "is not set, or NaN", f"; {_REMEDIES[self._missing == 'error']}"
        return ForcingError(
            f"catchment {self.catchment_id}, {time:%Y-%m-%d %H:%M}: {variable.name} {problem}, "
            f"expected {variable.low:g} to {variable.high:g} {variable.units}{remedy}"
        )


@cache
def _limits(variables: tuple[InputVariable, ...]) -> tuple[Array, Array]:
    """Give what is physically possible, low and high: the same two arrays for all catchments, which share the cache lines."""
    return np.array([variable.low for variable in variables]), np.array([variable.high for variable in variables])


def hour_of(inputs: Array, low: Array, high: Array, accepted: Array, hour: Array) -> int:
    """Check the weather of an hour and take what the model needs; ``penman_monteith`` is bound when this is compiled.

    Parameters
    ----------
    inputs, low, high : ndarray, shape (n,)
        Values, and what is physically possible.
    accepted : ndarray, shape (n + 1,)
        Where values that are all possible go, followed by 1 to say that there were some.
    hour : ndarray, shape (3,)
        Where precipitation, temperature and potential evapotranspiration go; the last is 0 without the inputs of Penman–Monteith.

    Returns
    -------
    int
        Index of the first impossible or non-finite value, and nothing is changed; or :data:`ALL_POSSIBLE`.
    """
    for i in range(inputs.shape[0]):
        if not (low[i] <= inputs[i] <= high[i]):
            return i
    for i in range(inputs.shape[0]):  # an assignment of slices would make numba compile what tells of unequal shapes
        accepted[i] = inputs[i]
    accepted[inputs.shape[0]] = 1.0
    hour[0], hour[1], hour[2] = inputs[0], inputs[1], 0.0
    if inputs.shape[0] > 2:
        hour[2] = penman_monteith(inputs[1], inputs[2], inputs[3], inputs[4], inputs[5], inputs[6], inputs[7])  # type: ignore[name-defined]  # noqa: F821
    return ALL_POSSIBLE


def hour_of_row(block: Array, start: int, low: Array, high: Array) -> int:
    """Do what :func:`hour_of` does, for the numbers of a row (:mod:`bmi_dmg.stepping.row`); ``hour_of`` is bound when this is compiled.

    What was accepted before is kept beside it, for :meth:`Weather.take_back`.
    """
    row, n = block[start : start + WIDTH], low.shape[0]
    for i in range(n + 1):
        row[BEFORE + i] = row[ACCEPTED + i]
    accepted, hour = row[ACCEPTED : ACCEPTED + n + 1], row[HOUR : HOUR + 3]
    return hour_of(row[INPUTS : INPUTS + n], low, high, accepted, hour)


@cache
def compiled_hour_of_row() -> Callable[..., int]:
    """Machine code of :func:`hour_of_row`."""
    return compile_kernel(hour_of_row, "float64", _DIGEST, hour_of=compiled_hour_of())


@cache
def compiled_hour_of() -> Callable[..., int]:
    """Machine code of :func:`hour_of`."""
    penman_monteith = compile_scalar(pet.penman_monteith)
    return compile_kernel(hour_of, penman_monteith.py_func.__qualname__, _DIGEST, penman_monteith=penman_monteith)
