"""Hourly series of units and flow at gauges, checked when they are put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dmg_core.attributes import require_finite
from dmg_core.data.basins import BasinData
from dmg_core.data.gauges import rows_of
from dmg_core.data.plausibility import require_plausible_forcing
from dmg_core.errors import AttributeTableError, ConfigError, ForcingError
from dmg_core.routing import Membership, aggregate_array

FloatArray = NDArray[np.float64]
Dates = NDArray[np.datetime64]

HOURS_PER_DAY: Final = 24
HOUR: Final = np.timedelta64(1, "h")
#: How hours of the forcings that are known become days.
AGGREGATES: Final = {"P": "sum", "T": "mean", "PET": "sum"}


@dataclass(frozen=True, eq=False)
class HourlyData:
    """Hourly weather of U units and flow at G gauges over T hours, whole days.

    Attributes
    ----------
    membership : Membership
        Which unit lies above which gauge; a lumped basin is one unit, and its own gauge.
    hours : ndarray of datetime64, shape (T,)
        When hours begin, UTC, without gaps; a day begins with the first.
    forcing : ndarray, shape (T, U, F)
        By ``forcing_names``: precipitation ``P`` and potential evapotranspiration ``PET`` in mm/h, mean temperature ``T`` in °C.
    flow : ndarray, shape (T, G)
        mm/d over the gauges' areas, means of hours; NaN where it was not observed.
    daily_flow : ndarray, shape (T / 24, G)
        mm/d, means of days; NaN where it was not observed.
    attributes : ndarray, shape (U, A)
        By ``attribute_names``.
    attribute_names : tuple of str
        The A attributes.
    path_attributes : ndarray, shape (P, R)
        Of the ways from units to gauges, by the pairs of ``membership`` and ``path_names``.
    path_names : tuple of str
        The R attributes.
    upstream_area, elevation : ndarray, shape (U,)
        km² and m.
    pet_method : str or None
        How potential evapotranspiration was computed, ``hargreaves`` or ``penman_monteith``, if known.
    forcing_names : tuple of str
        The F forcings by the symbols of process models.

    Raises
    ------
    ForcingError
        If shapes do not fit, hours are missing, or weather has gaps or another unit; unit and date are named.
    AttributeTableError
        If attributes have another shape or no finite value; unit and attribute are named.
    """

    membership: Membership
    hours: Dates
    forcing: NDArray[Any]
    flow: FloatArray
    daily_flow: FloatArray
    attributes: FloatArray
    attribute_names: tuple[str, ...]
    path_attributes: FloatArray
    path_names: tuple[str, ...]
    upstream_area: FloatArray
    elevation: FloatArray
    pet_method: str | None = None
    forcing_names: tuple[str, ...] = ("P", "T", "PET")

    def __post_init__(self) -> None:
        """Check all of it."""
        self._require_shapes()
        gaps = np.flatnonzero(np.diff(self.hours) != HOUR)
        if len(gaps):
            raise ForcingError(f"{self.hours[gaps[0]]} is followed by {self.hours[gaps[0] + 1]}, expected the next hour")
        units = self.membership.units
        require_plausible_forcing(self.days(), self.forcing_names, units, self.dates)
        require_finite(self.attributes, units, self.attribute_names)
        require_finite(np.stack([self.upstream_area, self.elevation], axis=1), units, ("upstream area", "elevation"))
        pairs = [
            f"{self.membership.gauges[g]} below {units[u]}"
            for g, u in zip(self.membership.pair_gauges, self.membership.members, strict=True)
        ]
        require_finite(self.path_attributes, pairs, self.path_names)

    @property
    def gauges(self) -> tuple[str, ...]:
        """The G gauges."""
        return self.membership.gauges

    @property
    def dates(self) -> Dates:
        """Days, shape (T / 24,), by the date on which they begin."""
        return self.hours[::HOURS_PER_DAY].astype("datetime64[D]")

    def days(self) -> FloatArray:
        """Give forcings of days (T / 24, U, F): sums and means of hours."""
        by_day = self.forcing.reshape(-1, HOURS_PER_DAY, *self.forcing.shape[1:])
        sums: FloatArray = by_day.sum(axis=1, dtype=np.float64)
        for column, name in enumerate(self.forcing_names):
            if AGGREGATES.get(name, "mean") == "mean":
                sums[..., column] /= HOURS_PER_DAY
        return sums

    def select(self, gauges: Sequence[str]) -> HourlyData:
        """Take some of the gauges, in the order given, with the units above them.

        Raises
        ------
        ConfigError
            If gauges are not in the data; all are named.
        """
        rows = rows_of(gauges, self.gauges, "the data")
        chosen = self.membership.part(rows)
        units = chosen.units
        return replace(
            self,
            membership=chosen.membership,
            forcing=self.forcing[:, units],
            flow=self.flow[:, rows],
            daily_flow=self.daily_flow[:, rows],
            attributes=self.attributes[units],
            path_attributes=self.path_attributes[chosen.pairs],
            upstream_area=self.upstream_area[units],
            elevation=self.elevation[units],
        )

    def daily_basins(self) -> BasinData:
        """Give the days of the gauges' basins, as splits take them: means over the units, and daily means of flow."""
        with np.errstate(invalid="ignore"):
            known = np.isfinite(self.flow).reshape(len(self.dates), HOURS_PER_DAY, -1)
            sums = np.where(known, self.flow.reshape(known.shape), 0.0).sum(axis=1)
            flow = np.where(known.any(axis=1), sums / np.maximum(known.sum(axis=1), 1), self.daily_flow)
        forcing = np.stack([aggregate_array(column, self.membership) for column in np.moveaxis(self.days(), 2, 0)], axis=-1)
        table = aggregate_array(np.column_stack([self.attributes, self.elevation]).T, self.membership).T
        return BasinData(
            ids=self.gauges,
            dates=self.dates,
            forcing=forcing,
            flow=flow,
            attributes=table[:, :-1],
            attribute_names=self.attribute_names,
            upstream_area=self.membership.gauge_areas,
            elevation=table[:, -1],
            latitude=np.zeros(len(self.gauges)),  # none is known, and no split asks
            longitude=np.full(len(self.gauges), np.nan),
            pet_method=self.pet_method,
            forcing_names=self.forcing_names,
        )

    def _require_shapes(self) -> None:
        hours, gauges, units = len(self.hours), len(self.gauges), len(self.membership.units)
        if not hours or hours % HOURS_PER_DAY:
            raise ForcingError(f"data of {hours} hours; whole days are needed, at least one")
        shapes = {
            "forcing": (hours, units, len(self.forcing_names)),
            "flow": (hours, gauges),
            "daily_flow": (hours // HOURS_PER_DAY, gauges),
            "attributes": (units, len(self.attribute_names)),
            "path_attributes": (self.membership.pairs, len(self.path_names)),
            "upstream_area": (units,),
            "elevation": (units,),
        }
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                kind = AttributeTableError if "attributes" in name else ForcingError
                raise kind(f"{name} of {units} units, {gauges} gauges and {hours} hours has shape {getattr(self, name).shape}, not {shape}")


def whole_days(hours: Dates, day_starts: int, where: str) -> slice:
    """Find the whole days among hours.

    Parameters
    ----------
    hours : ndarray of datetime64
        In order, without gaps.
    day_starts : int
        Hour (UTC) at which days begin.
    where : str
        For messages.

    Raises
    ------
    ConfigError
        If ``day_starts`` is no hour, or there is no whole day.
    """
    if isinstance(day_starts, bool) or not isinstance(day_starts, int) or not 0 <= day_starts < HOURS_PER_DAY:
        raise ConfigError(f"data: day_starts is {day_starts!r}, expected an hour from 0 to 23 (UTC)")
    first_hour = int((hours[0] - hours[0].astype("datetime64[D]")) / HOUR)
    skipped = (day_starts - first_hour) % HOURS_PER_DAY
    days = (len(hours) - skipped) // HOURS_PER_DAY
    if days < 1:
        raise ConfigError(f"{where}: {len(hours)} hours from {hours[0]} have no whole day that begins at {day_starts:02d} h")
    return slice(skipped, skipped + HOURS_PER_DAY * days)
