"""The weather of an hour: what the framework has set, checked, and turned into what the model needs, in compiled code."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from bmi_dmg.stepping import layout as layouts
from bmi_dmg.stepping.layout import (
    ACCEPTED_AT,
    BEFORE_AT,
    HOUR_AT,
    INPUTS_AT,
    N_FORCINGS,
    N_INPUTS,
    NONE,
    PENMAN,
    PENMAN_AT,
    PET_AT,
    SOURCES_AT,
    HourLayout,
)
from bmi_dmg.stepping.row import new_row
from dmg_core.equations import compile_scalar, primitives
from dmg_core.equations.compilation import compile_kernel, digest_of, direct_call
from dmg_core.errors import ForcingError
from dmg_core.physics import pet

Array = npt.NDArray[np.float64]
Plan = npt.NDArray[np.int64]

#: What :func:`hour_of` returns when every value is possible.
ALL_POSSIBLE: Final = -1

#: Arguments such as kernels for rows are called with: block, start, limits and plan.
ROW_ARGUMENTS: Final = (np.zeros(1), 0, np.zeros((2, 1)), np.zeros(1, np.int64))

#: What to do about a missing value, where none may take its place or none can.
_REMEDIES: Final = (
    "there has been no hour yet whose values could be held",
    "'missing_forcing: hold' or 'zero_rain' in the BMI config says what to do where weather is missing",
)

#: Of the modules the compiled code is made of.
_DIGEST = digest_of(sys.modules[__name__], layouts, pet, primitives)


class Weather:
    """Input variables of one catchment.

    Parameters
    ----------
    catchment_id : str
        For messages.
    layout : HourLayout
        Input variables, and where their values lie.
    missing : {"error", "hold", "zero_rain"}
        What to do where a value is missing (NaN): refuse it; take the last one there was; or the same, but no rain.

    Attributes
    ----------
    catchment_id : str
        The catchment.
    values : ndarray, shape (n,)
        What the framework has set, NaN before.
    hour : ndarray, shape (F,)
        Forcings of the model in the hour.
    missing_hours : ndarray, shape (n,)
        Hours in which each variable was missing.
    layout : HourLayout
        See above.
    row : Row
        Where all of these numbers lie, and room for those of the catchment's stepper.
    """

    def __init__(self, catchment_id: str, layout: HourLayout, missing: str = "error") -> None:
        self.catchment_id = catchment_id
        self.layout = layout
        self._missing = missing
        self.row = new_row(layout.width)
        self.values, self.hour = self.row.part(layout.values), self.row.part(layout.hour)
        self.missing_hours, self._accepted = self.row.part(layout.missing), self.row.part(layout.accepted)
        self.values[:] = math.nan
        self._filled: list[int] = []

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the variables."""
        return tuple(self.layout.input_places)

    def state(self) -> dict[str, Array]:
        """Arrays that must survive a restart: the last good hour, and the counts; live."""
        return {"weather": self._accepted, "missing_hours": self.missing_hours}

    def fill_gaps(self, time: datetime) -> None:
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
        for index, (value, variable) in enumerate(zip(self.values, self.layout.inputs, strict=True)):
            if math.isnan(value) and self._missing == "zero_rain" and index == self.layout.rain:
                replacements[index] = 0.0
            elif math.isnan(value) and self._missing != "error" and self._accepted[-1]:
                replacements[index] = self._accepted[index]
            elif not variable.low <= value <= variable.high:
                raise self._error(index, time)
        for index, value in replacements.items():
            self.values[index] = value
            self.missing_hours[index] += 1.0
        self._filled = list(replacements)

    def reopen_gaps(self) -> None:
        """Make what was missing in the last hour missing again: it is, until something is set."""
        if self._filled:
            self.values[self._filled] = math.nan
            self._filled = []

    def take_back(self) -> None:
        """Forget the hour that :func:`hour_of_row` has taken, because the model's step with it has failed.

        What is missing now was missing in it, and was counted.
        """
        self._accepted[:] = self.row.part(self.layout.before)
        self.missing_hours[np.isnan(self.values)] -= 1.0

    def _error(self, index: int, time: datetime) -> ForcingError:
        variable, value = self.layout.inputs[index], self.values[index]
        problem, remedy = f"is {value:g} {variable.units}", ""
        if math.isnan(value):
            problem, remedy = "is not set, or NaN", f"; {_REMEDIES[self._missing == 'error']}"
        return ForcingError(
            f"catchment {self.catchment_id}, {time:%Y-%m-%d %H:%M}: {variable.name} {problem}, expected {variable.possible}{remedy}"
        )


def hour_of(inputs: Array, limits: Array, plan: Plan, accepted: Array, hour: Array) -> int:
    """Check the weather of an hour and take what the model needs; ``penman_monteith`` is bound when this is compiled.

    Parameters
    ----------
    inputs : ndarray, shape (n,)
        Values.
    limits : ndarray, shape (2, n)
        What is physically possible, low and high.
    plan : ndarray
        See :mod:`bmi_dmg.stepping.layout`.
    accepted : ndarray, shape (n + 1,)
        Where values that are all possible go, followed by 1 to say that there were some.
    hour : ndarray, shape (F,)
        Where the forcings go; potential evapotranspiration is 0 without the inputs of Penman–Monteith.

    Returns
    -------
    int
        Index of the first impossible or non-finite value, and nothing is changed; or :data:`ALL_POSSIBLE`.
    """
    for i in range(inputs.shape[0]):
        if not (limits[0, i] <= inputs[i] <= limits[1, i]):
            return i
    for i in range(inputs.shape[0]):  # an assignment of slices would make numba compile what tells of unequal shapes
        accepted[i] = inputs[i]
    accepted[inputs.shape[0]] = 1.0
    for k in range(hour.shape[0]):
        source = plan[SOURCES_AT + k]
        hour[k] = inputs[source] if source != NONE else 0.0
    at = plan[PENMAN_AT : PENMAN_AT + PENMAN]
    if at[0] != NONE:
        hour[plan[PET_AT]] = penman_monteith(  # type: ignore[name-defined]  # noqa: F821
            inputs[at[0]], inputs[at[1]], inputs[at[2]], inputs[at[3]], inputs[at[4]], inputs[at[5]], inputs[at[6]]
        )
    return ALL_POSSIBLE


def hour_of_row(block: Array, start: int, limits: Array, plan: Plan) -> int:
    """Do what :func:`hour_of` does, for the numbers of a row (:mod:`bmi_dmg.stepping.row`); ``hour_of`` is bound when this is compiled.

    What was accepted before is kept beside it, for :meth:`Weather.take_back`.
    """
    n, accepted_at, before_at = plan[N_INPUTS], start + plan[ACCEPTED_AT], start + plan[BEFORE_AT]
    for i in range(n + 1):
        block[before_at + i] = block[accepted_at + i]
    inputs_at, hour_at = start + plan[INPUTS_AT], start + plan[HOUR_AT]
    accepted, hour = block[accepted_at : accepted_at + n + 1], block[hour_at : hour_at + plan[N_FORCINGS]]
    return hour_of(block[inputs_at : inputs_at + n], limits, plan, accepted, hour)


@cache
def compiled_hour_of_row() -> Callable[..., int]:
    """Machine code of :func:`hour_of_row`, to be called directly."""
    return direct_call(compile_kernel(hour_of_row, "float64", _DIGEST, hour_of=compiled_hour_of()), *ROW_ARGUMENTS)


@cache
def compiled_hour_of() -> Callable[..., int]:
    """Machine code of :func:`hour_of`."""
    penman_monteith = compile_scalar(pet.penman_monteith)
    return compile_kernel(hour_of, penman_monteith.py_func.__qualname__, _DIGEST, penman_monteith=penman_monteith)
