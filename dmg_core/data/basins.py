"""Daily series and attributes of basins, as learning takes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dmg_core.attributes import attribute_table, require_finite
from dmg_core.data.gauges import rows_of
from dmg_core.data.plausibility import require_plausible_flow, require_plausible_forcing
from dmg_core.errors import AttributeTableError, ConfigError, ForcingError

FloatArray = NDArray[np.float64]

DAY = np.timedelta64(1, "D")


class Observed(Protocol):
    """What splits look at: basins, or gauges, their days, and the flow observed there, (T, B) in mm/d, NaN where there is none."""

    @property
    def ids(self) -> tuple[str, ...]:
        """The B basins."""

    @property
    def dates(self) -> NDArray[np.datetime64]:
        """The T days, without gaps."""

    @property
    def flow(self) -> FloatArray:
        """The flow."""

    @property
    def groups(self) -> tuple[str, ...]:
        """What each of the B is scored with."""


def days_of(dates: NDArray[np.datetime64], start: str | np.datetime64, end: str | np.datetime64) -> slice:
    """Find the days from a first to a last one, both included, among days without gaps.

    Raises
    ------
    ConfigError
        If not all of these days are there, or there is none between.
    """
    first, last = np.datetime64(start, "D"), np.datetime64(end, "D")
    if not dates[0] <= first <= last <= dates[-1]:
        raise ConfigError(f"the data have {dates[0]} to {dates[-1]}, not all of {first} to {last}")
    return slice(int((first - dates[0]) / DAY), int((last - dates[0]) / DAY) + 1)


@dataclass(frozen=True, eq=False)
class BasinData:
    """Daily series and attributes of B basins over T days, checked when they are put together.

    Attributes
    ----------
    ids : tuple of str
        Gauges.
    dates : NDArray[np.datetime64], shape (T,)
        Days, without gaps.
    forcing : NDArray[np.float64], shape (T, B, F)
        By ``forcing_names``.
    flow : NDArray[np.float64], shape (T, B)
        mm/d; NaN where it was not observed.
    attributes : NDArray[np.float64], shape (B, A)
        By ``attribute_names``.
    attribute_names : tuple of str
        The A attributes.
    upstream_area : NDArray[np.float64], shape (B,)
        km², the area that turns flow into mm/d.
    elevation : NDArray[np.float64], shape (B,)
        Mean, in m.
    latitude, longitude : NDArray[np.float64], shape (B,)
        Degrees north and east; longitude is NaN where it is not known.
    pet_method : str or None
        How potential evapotranspiration was computed, ``hargreaves`` or ``penman_monteith``, if known.
    forcing_names : tuple of str
        The F forcings by the symbols of process models: precipitation ``P`` (mm/d), mean temperature ``T`` (°C), potential
        evapotranspiration ``PET`` (mm/d), and others.
    observed_name : str
        What stands in the place of flow where something else was observed.

    Raises
    ------
    ForcingError
        If shapes do not fit, days are missing, a basin stands there twice, or values have gaps or another unit; it names basin, date and
        value.
    AttributeTableError
        If attributes have another shape or no finite value; it names basin and attribute.
    """

    ids: tuple[str, ...]
    dates: NDArray[np.datetime64]
    forcing: FloatArray
    flow: FloatArray
    attributes: FloatArray
    attribute_names: tuple[str, ...]
    upstream_area: FloatArray
    elevation: FloatArray
    latitude: FloatArray
    longitude: FloatArray
    pet_method: str | None = None
    forcing_names: tuple[str, ...] = ("P", "T", "PET")
    observed_name: str = "flow"

    def __post_init__(self) -> None:
        """Check all of it."""
        self._require_shapes()
        self._require_consecutive_days()
        repeated = sorted({gauge for gauge in self.ids if self.ids.count(gauge) > 1})
        if repeated:
            raise ForcingError(f"basins stand in the data more than once: {', '.join(repeated)}")
        require_plausible_forcing(self.forcing, self.forcing_names, self.ids, self.dates)
        if self.observed_name == "flow" and "P" in self.forcing_names:
            require_plausible_flow(self.flow, self.forcing[..., self.forcing_names.index("P")], self.ids, self.dates)
        require_finite(self.attributes, self.ids, self.attribute_names)
        self._require_places()

    @property
    def groups(self) -> tuple[str, ...]:
        """What each column is scored with: a basin is scored by itself."""
        return self.ids

    def period(self, start: str | np.datetime64, end: str | np.datetime64) -> BasinData:
        """Take some of the days.

        Parameters
        ----------
        start, end : str or datetime64
            First and last day, both included, such as ``"1999-10-01"``.

        Raises
        ------
        ConfigError
            If not all of these days are there, or there is none between.
        """
        days = days_of(self.dates, start, end)
        return replace(self, dates=self.dates[days], forcing=self.forcing[days], flow=self.flow[days])

    def forcings(self, names: Iterable[str]) -> FloatArray:
        """Give some of the forcings, shape (T, B, n), in the order given.

        Raises
        ------
        ConfigError
            If the data do not have them all.
        """
        wanted = tuple(names)
        missing = [name for name in wanted if name not in self.forcing_names]
        if missing:
            raise ConfigError(f"the data have no forcing {', '.join(missing)}; they have {', '.join(self.forcing_names)}")
        if wanted == self.forcing_names:
            return self.forcing
        return np.ascontiguousarray(self.forcing[..., [self.forcing_names.index(name) for name in wanted]])

    def select(self, ids: Sequence[str]) -> BasinData:
        """Take some of the basins, in the order given.

        Parameters
        ----------
        ids : sequence of str
            Gauges.

        Raises
        ------
        ConfigError
            If gauges are not in the data; all are named.
        """
        return self._selected(ids)

    def _selected(self, ids: Sequence[str], **others: object) -> BasinData:
        """Take some of the columns, and replace other fields."""
        rows = rows_of(ids, self.ids, "the data")
        return replace(
            self,
            ids=tuple(ids),
            forcing=self.forcing[:, rows],
            flow=self.flow[:, rows],
            attributes=self.attributes[rows],
            upstream_area=self.upstream_area[rows],
            elevation=self.elevation[rows],
            latitude=self.latitude[rows],
            longitude=self.longitude[rows],
            **others,  # type: ignore[arg-type]  # fields of a subclass
        )

    def with_attributes(self, values: Mapping[str, FloatArray]) -> BasinData:
        """Put other attributes in the place of these.

        Parameters
        ----------
        values : mapping of str to ndarray, shape (B,)
            By name.

        Raises
        ------
        AttributeTableError
            If a value is not finite, or one of them has another length.
        """
        return replace(self, attributes=attribute_table(values, tuple(values)), attribute_names=tuple(values))

    def _require_shapes(self) -> None:
        days, count = len(self.dates), len(self.ids)
        if not days or not count:
            raise ForcingError(f"data of {count} basins and {days} days; at least one of each is needed")
        if self.attributes.shape != (count, len(self.attribute_names)):
            raise AttributeTableError(
                f"attributes have shape {self.attributes.shape}, expected ({count}, {len(self.attribute_names)}): basins, names"
            )
        expected = {"forcing": (days, count, len(self.forcing_names)), "flow": (days, count)}
        expected |= dict.fromkeys(("upstream_area", "elevation", "latitude", "longitude"), (count,))
        for name, shape in expected.items():
            if getattr(self, name).shape != shape:
                raise ForcingError(f"{name} of {count} basins and {days} days has shape {getattr(self, name).shape}, expected {shape}")

    def _require_consecutive_days(self) -> None:
        gaps = np.flatnonzero(np.diff(self.dates) != DAY)
        if len(gaps):
            raise ForcingError(f"{self.dates[gaps[0]]} is followed by {self.dates[gaps[0] + 1]}, expected the next day")

    def _require_places(self) -> None:
        table = np.stack([self.upstream_area, self.elevation, self.latitude], axis=1)
        require_finite(table, self.ids, ("upstream area", "elevation", "latitude"))
        for basin in np.flatnonzero((self.upstream_area <= 0.0) | (np.abs(self.latitude) > 90.0)):
            raise AttributeTableError(
                f"basin {self.ids[basin]}: upstream area is {self.upstream_area[basin]:g} km2, latitude {self.latitude[basin]:g} degrees; "
                "expected an area above 0 and a latitude from -90 to 90"
            )
