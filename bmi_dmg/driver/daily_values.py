"""Results by the day: what ngen's hourly form of a daily model hides, and what observed flow is compared with.

A day is a calendar day (UTC) that the run has whole. Of a daily model it is the model's own step: what is reported with its last hour. Of
an hourly model fluxes are summed over its hours, and stores are those at its end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.driver.cf import ArrayForm, DatasetForm, catchment_arrays
from bmi_dmg.run_folder.hydrofabric import Catchments
from bmi_dmg.variables import DEPTH, OutputVariable
from dmg_core.models.layout import TOTAL

HOURS_PER_DAY: Final = 24
PRECIPITATION: Final = "precipitation"
_OF_PRECIPITATION: Final = "lwe_thickness_of_precipitation_amount"
RUNOFF: Final = "runoff"
DISCHARGE: Final = "discharge"
#: m3/s that 1 mm/d is over 1 km2.
CUBIC_METRES_PER_SECOND: Final = 1.0 / 86.4
_MILLIMETRES_PER_METRE: Final = 1000.0

Array = NDArray[np.float64]
Hours = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Days:
    """The calendar days that a run has whole.

    Attributes
    ----------
    first : datetime
        Start of the first one.
    skipped : int
        Hours of the run before it.
    n : int
        How many there are.
    """

    first: datetime
    skipped: int
    n: int

    @classmethod
    def of(cls, start: datetime, hours: int) -> Days:
        """Find those of a run of so many hours."""
        skipped = -start.hour % HOURS_PER_DAY
        return cls(start + timedelta(hours=skipped), skipped, max(hours - skipped, 0) // HOURS_PER_DAY)


@dataclass(frozen=True)
class DailyForm:
    """What the days of a model are made of.

    Attributes
    ----------
    steps_per_day : int
        Of the model: 1 or 24.
    with_rain : bool
        Whether precipitation is known.
    """

    steps_per_day: int
    with_rain: bool


class DailyValues:
    """Makes days of the hours of some catchments.

    Parameters
    ----------
    days : Days
        The days of the run; there must be one at least.
    outputs : sequence of OutputVariable
        The results.
    form : DailyForm
        What days are made of.
    catchments : Catchments
        N catchments.
    """

    def __init__(self, days: Days, outputs: Sequence[OutputVariable], form: DailyForm, catchments: Catchments) -> None:
        self._days, self._steps_per_day, self._with_rain, self._catchments = days, form.steps_per_day, form.with_rain, catchments
        # Runoff may be asked for twice, as a depth and as a rate: the first counts.
        by_source: dict[str, OutputVariable] = {}
        for variable in outputs:
            by_source.setdefault(variable.source, variable)
        self._variables = {_name_of(variable): variable for variable in by_source.values()}
        self._area = catchments.area if RUNOFF in self._variables else None
        #: Hours of a day that is not whole yet.
        self._pending: dict[str, Array] = {}

    def take(self, first_step: int, hours: Hours, rain: Array | None) -> tuple[slice, dict[str, Array]]:
        """Take in a stretch of hours that follows the one before.

        Parameters
        ----------
        first_step : int
            Its first step.
        hours : Mapping[str, NDArray]
            BMI name -> values, shape (steps, N).
        rain : NDArray[np.float64], shape (steps, N), or None
            Precipitation, mm/h, where it is known.

        Returns
        -------
        tuple of slice and dict
            Which days have become whole, and their values by name, each of shape (N, days).
        """
        begin = max(self._days.skipped - first_step, 0)
        new = {name: np.asarray(hours[variable.name][begin:], np.float64) for name, variable in self._variables.items()}
        if rain is not None:
            new[PRECIPITATION] = rain[begin:]
        before = self._pending or {name: values[:0] for name, values in new.items()}
        joined = {name: np.concatenate([before[name], values]) for name, values in new.items()}
        held, whole_hours = (len(next(iter(values.values()), ())) for values in (before, joined))
        first = (max(first_step, self._days.skipped) - self._days.skipped - held) // HOURS_PER_DAY
        n = min(whole_hours // HOURS_PER_DAY, self._days.n - first)
        self._pending = {name: values[n * HOURS_PER_DAY :] for name, values in joined.items()}
        whole = {name: values[: n * HOURS_PER_DAY].reshape(n, HOURS_PER_DAY, values.shape[1]) for name, values in joined.items()}
        return slice(first, first + n), self._daily(whole)

    def _daily(self, hours: Mapping[str, Array]) -> dict[str, Array]:
        """Give days (N, days) from their hours, each of shape (days, 24, N)."""
        daily = {name: self._day_of(variable, hours[name]).T for name, variable in self._variables.items()}
        if self._with_rain:
            daily[PRECIPITATION] = hours[PRECIPITATION].sum(axis=1).T
        if self._area is not None:
            daily[DISCHARGE] = daily[RUNOFF] * self._area[:, None] * CUBIC_METRES_PER_SECOND
        return daily

    def _day_of(self, variable: OutputVariable, hours: Array) -> Array:
        """Give a day in mm where it is a depth of water; other fluxes are means over the day."""
        last = hours[:, -1]
        values: Array
        if variable.is_store:
            values = last
        elif variable.model_units == DEPTH:
            values = last * HOURS_PER_DAY if self._steps_per_day == 1 else hours.sum(axis=1)
        else:
            values = last if self._steps_per_day == 1 else hours.mean(axis=1)
        return _MILLIMETRES_PER_METRE * values if variable.model_units == DEPTH else values

    def form(self, attributes: Mapping[str, str]) -> DatasetForm:
        """Say what is in a file of these days after CF-1.8 (``featureType = "timeSeries"``).

        Parameters
        ----------
        attributes : Mapping[str, str]
            Global attributes, besides those that CF asks for.
        """
        arrays, coordinates = catchment_arrays(self._catchments)
        return DatasetForm(
            {"Conventions": "CF-1.8", "featureType": "timeSeries", **attributes},
            {"catchment": len(self._catchments.ids), "time": self._days.n, "bounds": 2},
            (*arrays, *self._times(), *self._arrays(coordinates)),
        )

    def _times(self) -> Iterator[ArrayForm]:
        number = np.arange(self._days.n, dtype=np.int32)
        units = {"units": f"days since {self._days.first:%Y-%m-%d}", "calendar": "standard"}
        said = {"standard_name": "time", **units, "bounds": "time_bounds", "comment": "start of the calendar day, UTC"}
        yield ArrayForm("time", ("time",), said, number)
        yield ArrayForm("time_bounds", ("time", "bounds"), {}, number[:, None] + np.array([0, 1], np.int32))

    def _arrays(self, coordinates: str) -> Iterator[ArrayForm]:
        own = "the model's own step" if self._steps_per_day == 1 else "of the 24 hours of the day"
        if self._with_rain:
            yield self._array(PRECIPITATION, "mm", "precipitation, rain and snow, as the forcing has it", "sum", coordinates)
        for name, variable in self._variables.items():
            label = "runoff of the catchment" if name == RUNOFF else variable.meaning
            if variable.is_store:
                yield self._array(name, variable.model_units, label, "point", coordinates, comment="at the end of the day")
            elif variable.model_units != DEPTH:
                yield self._array(name, variable.model_units, label, "mean", coordinates, comment=own)
            else:
                yield self._array(name, "mm", label, "sum", coordinates, comment=f"depth over the catchment; {own}")
        if self._area is not None:
            said = {
                "comment": "runoff times area: what the catchment itself yields, without what comes from upstream",
                "standard_name": "water_volume_transport_in_river_channel",
            }
            yield self._array(DISCHARGE, "m3 s-1", "flow that the catchment yields", "mean", coordinates, **said)

    def _array(self, name: str, units: str, label: str, method: str, coordinates: str, **said: str) -> ArrayForm:
        standard = self._variables[name].standard_name if name in self._variables else {PRECIPITATION: _OF_PRECIPITATION}.get(name, "")
        known = {"standard_name": standard} if standard else {}
        attributes = {"units": units, "long_name": label, "cell_methods": f"time: {method}", "coordinates": coordinates}
        return ArrayForm(name, ("catchment", "time"), {**attributes, **known, **said})


def _name_of(variable: OutputVariable) -> str:
    """Name of an output in the file: what it is in the water balance."""
    return RUNOFF if variable.source == TOTAL else variable.source
