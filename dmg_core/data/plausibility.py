"""Checks that tell wrong units from weather: each names basin, date, value and what the values probably are.

The limits lie beyond all that was ever measured (largest rain of a day: 1825 mm; temperatures: -89 to 57 °C), so that real weather passes
and another unit, as a rule, does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dmg_core.errors import ForcingError

FloatArray = NDArray[np.float64]
Dates = NDArray[np.datetime64]

#: Days after which the largest value of a series tells its unit.
DAYS_THAT_TELL: Final = 365
#: Mean flow over mean precipitation that no basin has, springs and wrong areas included.
LARGEST_RUNOFF_RATIO: Final = 5.0
#: Mean flow over mean precipitation below which a river is hardly one.
LEAST_RUNOFF_RATIO: Final = 1e-3


@dataclass(frozen=True)
class Limits:
    """What values of a variable can be.

    Attributes
    ----------
    unit : str
        That they are in.
    lowest, highest : float
        Impossible beyond.
    least_maximum : float
        A year's largest value is above, unless all are 0.
    below, above, too_small : str
        What values below ``lowest``, above ``highest``, or with a maximum under ``least_maximum`` probably are.
    """

    name: str
    unit: str
    lowest: float
    highest: float
    least_maximum: float
    below: str
    above: str
    too_small: str


#: By the symbols of forcings that are known.
FORCING_LIMITS: Final = {
    "P": Limits(
        "precipitation", "mm/d", 0.0, 2000.0, 0.5, "a marker of missing values", "another unit than mm/d", "m/d or mm/s instead of mm/d"
    ),
    "T": Limits("temperature", "degC", -90.0, 60.0, -np.inf, "a marker of missing values", "K or degF instead of degC", ""),
    "PET": Limits(
        "potential evapotranspiration",
        "mm/d",
        0.0,
        50.0,
        0.1,
        "a marker of missing values or a flux counted upwards",
        "W/m2 instead of mm/d",
        "m/d or mm/s instead of mm/d",
    ),
}
FLOW_LIMITS: Final = Limits("flow", "mm/d", 0.0, 2000.0, -np.inf, "a marker of missing values", "cfs or m3/s instead of mm/d", "")


def require_plausible_forcing(forcing: FloatArray, names: Sequence[str], ids: Sequence[str], dates: Dates) -> None:
    """Refuse weather with gaps or in other units.

    Parameters
    ----------
    forcing : ndarray, shape (T, B, F)
        Series of the F forcings.
    names : sequence of str
        Their symbols; of those that are not known gaps alone are looked for.
    ids : sequence of str
        The B basins.
    dates : ndarray of datetime64, shape (T,)
        The days.

    Raises
    ------
    ForcingError
        Naming variable, basin, date, value and the probable mistake.
    """
    for column, symbol in enumerate(names):
        values, limits = forcing[..., column], FORCING_LIMITS.get(symbol)
        name, unit = (symbol, "") if limits is None else (limits.name, limits.unit)
        _require_none(~np.isfinite(values), values, name, unit, ids, dates, "a value for every day is needed")
        if limits is not None:
            _require_within(values, limits, ids, dates)
            _require_large_enough(values, limits, ids, dates)


def require_plausible_flow(flow: FloatArray, precipitation: FloatArray, ids: Sequence[str], dates: Dates) -> None:
    """Refuse flow in other units; NaN is a day without observation.

    Parameters
    ----------
    flow, precipitation : ndarray, shape (T, B)
        mm/d.
    ids : sequence of str
        The B basins.
    dates : ndarray of datetime64, shape (T,)
        The days.

    Raises
    ------
    ForcingError
        Naming basin, date, value and the probable mistake.
    """
    _require_none(np.isinf(flow), flow, "flow", FLOW_LIMITS.unit, ids, dates, "NaN marks a day without observation")
    _require_within(flow, FLOW_LIMITS, ids, dates)
    observed = np.isfinite(flow)
    runoff = np.where(observed, flow, 0.0).sum(axis=0)
    excessive = (observed.sum(axis=0) >= DAYS_THAT_TELL) & (
        runoff > LARGEST_RUNOFF_RATIO * np.where(observed, precipitation, 0.0).sum(axis=0)
    )
    for basin in np.flatnonzero(excessive):
        day = int(np.nanargmax(flow[:, basin]))
        raise ForcingError(
            f"basin {ids[basin]}: more than {LARGEST_RUNOFF_RATIO:g} times the precipitation runs off, on {dates[day]} "
            f"{flow[day, basin]:g} mm/d; probably {FLOW_LIMITS.above}"
        )


def scant_flow(flow: FloatArray, precipitation: FloatArray, ids: Sequence[str]) -> str:
    """Tell basins from which hardly anything runs off: a dry river, or another unit.

    Parameters
    ----------
    flow, precipitation : ndarray, shape (T, B)
        mm/d; NaN is a day without observation of flow.
    ids : sequence of str
        The B basins.

    Returns
    -------
    str
        A sentence that names them; empty if there are none.
    """
    observed = np.isfinite(flow)
    runoff, rain = (np.where(observed, values, 0.0).sum(axis=0) for values in (flow, precipitation))
    scant = np.flatnonzero((observed.sum(axis=0) >= DAYS_THAT_TELL) & (runoff < LEAST_RUNOFF_RATIO * rain))
    if not len(scant):
        return ""
    worst = scant[np.argmin(runoff[scant] / rain[scant])]
    return (
        f"at {len(scant)} of {len(ids)} gauges less than a thousandth of the precipitation runs off, at {ids[worst]} "
        f"{runoff[worst] / rain[worst]:.2g} of it; if it is no dry river, its flow or its area is in another unit than stated"
    )


def _require_within(values: FloatArray, limits: Limits, ids: Sequence[str], dates: Dates) -> None:
    _require_none(values < limits.lowest, values, limits.name, limits.unit, ids, dates, f"probably {limits.below}")
    _require_none(values > limits.highest, values, limits.name, limits.unit, ids, dates, f"probably {limits.above}")


def _require_large_enough(values: FloatArray, limits: Limits, ids: Sequence[str], dates: Dates) -> None:
    if len(values) < DAYS_THAT_TELL:
        return
    largest = values.max(axis=0)
    for basin in np.flatnonzero((largest > 0.0) & (largest < limits.least_maximum)):
        day = dates[int(values[:, basin].argmax())]
        raise ForcingError(
            f"basin {ids[basin]}: the largest {limits.name} of {len(values)} days is {largest[basin]:g} {limits.unit} (on {day}); "
            f"probably {limits.too_small}"
        )


def _require_none(
    faults: NDArray[np.bool_], values: FloatArray, name: str, unit: str, ids: Sequence[str], dates: Dates, advice: str
) -> None:
    if faults.any():
        day, basin = (int(index) for index in np.argwhere(faults)[0])
        raise ForcingError(f"basin {ids[basin]}, {dates[day]}: {name} is {values[day, basin]:g} {unit}; {advice}")
