"""Synthetic hourly weather of a humid temperate climate, under the names and in the units of AORC.

A stochastic weather generator of the usual kind: one region-wide sequence of storms, clouds and air masses, from which each place departs
a little. It is made for examples and tests; it resembles weather, no particular place or year.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Elevation (m) that the constants below hold for.
REFERENCE_ELEVATION = 400.0
#: Temperature at the reference elevation, °C: mean of the year, and half the difference between summer and winter.
MEAN_TEMPERATURE, SEASONAL_AMPLITUDE = 10.0, 12.0
#: Decrease of temperature with height, K/m.
LAPSE_RATE = 0.0065
#: Increase of precipitation with height, as a share per metre.
OROGRAPHIC_INCREASE = 0.0003
#: The warmest day of the year.
WARMEST_DAY = 202
#: Shape of the Weibull distribution of hourly rain within a storm.
RAIN_SHAPE = 0.9
#: Shape of the gamma distribution of the strength of storms.
STORM_SHAPE = 2.5
#: Share of a storm's hours in which it rains at a given place.
RAINY_SHARE = 0.8
#: Spread of a storm's amounts from place to place, as standard deviation of their logarithms.
LOCAL_SPREAD = 0.25
#: Highest dew point, °C, of air that has come over land.
HIGHEST_DEW_POINT = 23.0
SOLAR_CONSTANT = 1361.0
STEFAN_BOLTZMANN = 5.670e-8


@dataclass(frozen=True)
class Places:
    """Where weather is wanted.

    Attributes
    ----------
    latitude, longitude : NDArray[np.float64], shape (N,)
        Degrees north and east.
    elevation : NDArray[np.float64], shape (N,)
        m.
    """

    latitude: Array
    longitude: Array
    elevation: Array


class _Calendar(NamedTuple):
    """Hours of a period, shape (T,)."""

    day_of_year: Array
    utc_hour: Array
    summer: Array
    """From -1 in midwinter to 1 in midsummer."""


class _Region(NamedTuple):
    """What all places have in common, shape (T,)."""

    storm: NDArray[np.int64]
    """Number of the storm, 0 between storms."""
    rain: Array
    """mm/h at the reference elevation"""
    wetness: Array
    """Share of the hours around that are stormy."""
    cloud: Array
    """Cloud cover, 0 to 1."""


def synthesize_weather(places: Places, start: datetime, hours: int, seed: int) -> dict[str, NDArray[np.float32]]:
    """Make hourly weather.

    Parameters
    ----------
    places : Places
        Where.
    start : datetime
        First hour, UTC.
    hours : int
        Number of hours.
    seed : int
        Of the random numbers: the same seed gives the same weather.

    Returns
    -------
    dict of str to NDArray[np.float32], shape (N, hours)
        ``precip_rate`` (mm/s), ``APCP_surface`` (mm/h), ``TMP_2maboveground`` (K), ``SPFH_2maboveground`` (kg/kg), ``DLWRF_surface`` and
        ``DSWRF_surface`` (W/m²), ``PRES_surface`` (Pa), ``UGRD_10maboveground`` and ``VGRD_10maboveground`` (m/s).
    """
    rng = np.random.default_rng(seed)
    calendar = _calendar(start, hours)
    region = _region(rng, calendar)
    rain = _rain(rng, places, region)
    air_mass, temperature = _temperatures(rng, places, calendar, region)
    pressure = _pressure(rng, places, region)
    vapour = _vapour_pressure(air_mass, temperature, region)
    wind_x, wind_y = _wind(rng, places, calendar, region)
    weather = {
        "precip_rate": rain / 3600.0,
        "APCP_surface": rain,
        "TMP_2maboveground": temperature + 273.15,
        "SPFH_2maboveground": 0.622 * vapour / (pressure - 0.378 * vapour),
        "DLWRF_surface": _longwave(temperature, vapour, region),
        "DSWRF_surface": _shortwave(places, calendar, region),
        "PRES_surface": pressure,
        "UGRD_10maboveground": wind_x,
        "VGRD_10maboveground": wind_y,
    }
    return {name: values.astype(np.float32) for name, values in weather.items()}


def _calendar(start: datetime, hours: int) -> _Calendar:
    times = np.datetime64(start, "h") + np.arange(hours)
    days = times.astype("datetime64[D]")
    day_of_year = (days - days.astype("datetime64[Y]")).astype(np.float64) + 1.0
    summer = np.cos(2.0 * math.pi * (day_of_year - WARMEST_DAY) / 365.25)
    return _Calendar(day_of_year, (times - days).astype(np.float64), summer)


def _region(rng: np.random.Generator, calendar: _Calendar) -> _Region:
    stormy = _wet_hours(rng, calendar.summer)
    begins = stormy & ~np.concatenate([[False], stormy[:-1]])
    storm = np.where(stormy, np.cumsum(begins), 0)
    strength = np.concatenate([[0.0], rng.gamma(STORM_SHAPE, 1.0 / STORM_SHAPE, int(begins.sum()))])[storm]
    gusts = rng.weibull(RAIN_SHAPE, stormy.size) / math.gamma(1.0 + 1.0 / RAIN_SHAPE)
    # Convective showers of summer are short and heavy, fronts of winter long and light.
    intensity = 1.2 + 0.45 * calendar.summer
    wetness = np.convolve(stormy, np.full(13, 1.0 / 13.0))[6 : 6 + stormy.size]
    clear_or_dull = 1.0 / (1.0 + np.exp(-1.8 * _red_noise(rng, (), stormy.size, memory=14.0)))
    return _Region(storm, intensity * strength * gusts, wetness, np.maximum(clear_or_dull, np.minimum(1.6 * wetness, 0.97)))


def _wet_hours(rng: np.random.Generator, summer: Array) -> NDArray[np.bool_]:
    """Markov chain of dry and stormy hours, with longer storms in winter."""
    begins = 1.0 / 62.0
    goes_on = 1.0 - 1.0 / (7.5 - 2.5 * summer)
    wet = np.zeros(summer.size, dtype=np.bool_)
    before = False
    for hour, chance in enumerate(rng.random(summer.size)):
        before = wet[hour] = chance < (goes_on[hour] if before else begins)
    return wet


def _red_noise(rng: np.random.Generator, shape: tuple[int, ...], hours: int, memory: float) -> Array:
    """Smooth random series of mean 0 and variance 1, shape (*shape, hours): white noise through an AR(1) filter, twice.

    Once would leave hour-to-hour jumps that weather does not have.
    """
    spin_up = math.ceil(10 * memory)
    series = rng.standard_normal((spin_up + hours, *shape))
    keep = math.exp(-1.0 / memory)
    for _ in range(2):
        for hour in range(1, len(series)):
            series[hour] += keep * series[hour - 1]
    variance = (1.0 + keep**2) / (1.0 - keep**2) ** 3
    return np.moveaxis(series[spin_up:], 0, -1) / math.sqrt(variance)


def _rain(rng: np.random.Generator, places: Places, region: _Region) -> Array:
    """Precipitation, mm/h, shape (N, T)."""
    shape = len(places.elevation), int(region.storm.max()) + 1
    share = rng.lognormal(-0.5 * LOCAL_SPREAD**2, LOCAL_SPREAD, shape)[:, region.storm]
    rains_here = rng.random(share.shape) < RAINY_SHARE
    height = np.exp(OROGRAPHIC_INCREASE * (places.elevation - REFERENCE_ELEVATION))
    rain: Array = np.where(rains_here, region.rain * share / RAINY_SHARE, 0.0) * height[:, None]
    return rain


def _temperatures(rng: np.random.Generator, places: Places, calendar: _Calendar, region: _Region) -> tuple[Array, Array]:
    """Temperature of the air mass without and with its course over the day, °C, shape (N, T)."""
    hours = calendar.summer.size
    synoptic = (4.0 - calendar.summer) * _red_noise(rng, (), hours, memory=22.0)
    local = 0.4 * _red_noise(rng, (len(places.elevation),), hours, memory=10.0)
    height = LAPSE_RATE * (places.elevation - REFERENCE_ELEVATION)
    air_mass = MEAN_TEMPERATURE + SEASONAL_AMPLITUDE * calendar.summer + synoptic + local - height[:, None]
    swing = 5.5 * (1.0 - 0.65 * region.cloud)
    return air_mass, air_mass + swing * np.cos(2.0 * math.pi * (_solar_hour(places, calendar) - 15.0) / 24.0)


def _pressure(rng: np.random.Generator, places: Places, region: _Region) -> Array:
    """Air pressure, Pa, shape (N, T): that of the standard atmosphere, highs and lows."""
    standard = 101325.0 * (1.0 - 2.25577e-5 * places.elevation) ** 5.25588
    weather = 500.0 * _red_noise(rng, (), region.cloud.size, memory=22.0) - 800.0 * (region.wetness - region.wetness.mean())
    pressure: Array = standard[:, None] + weather
    return pressure


def _vapour_pressure(air_mass: Array, temperature: Array, region: _Region) -> Array:
    """Vapour pressure, Pa, shape (N, T), from a dew point that follows the air mass, not the course of the day."""
    depression = 1.0 + 8.0 * (1.0 - region.cloud) * (1.0 - region.wetness)
    dew_point = np.minimum(np.minimum(air_mass - depression, temperature), HIGHEST_DEW_POINT)
    vapour: Array = 610.8 * np.exp(17.27 * dew_point / (dew_point + 237.3))
    return vapour


def _wind(rng: np.random.Generator, places: Places, calendar: _Calendar, region: _Region) -> tuple[Array, Array]:
    """Eastward and northward wind at 10 m, m/s, shape (N, T)."""
    shape = len(places.elevation), calendar.summer.size
    strength = (2.0 - 0.5 * calendar.summer) * (1.0 + 0.5 * region.wetness)
    regional = _red_noise(rng, (2, 1), shape[1], memory=12.0)
    local = 0.3 * _red_noise(rng, (2, shape[0]), shape[1], memory=4.0)
    x, y = strength * (regional + local)
    return x + 1.5, y


def _longwave(temperature: Array, vapour: Array, region: _Region) -> Array:
    """Downward long-wave radiation, W/m²: Brunt's emissivity of the clear sky, with clouds after Unsworth and Monteith (1975)."""
    clear = 0.52 + 0.065 * np.sqrt(vapour / 100.0)
    emissivity = clear + 0.84 * region.cloud * (1.0 - clear)
    radiation: Array = emissivity * STEFAN_BOLTZMANN * (temperature + 273.15) ** 4
    return radiation


def _shortwave(places: Places, calendar: _Calendar, region: _Region) -> Array:
    """Downward short-wave radiation, W/m², shape (N, T): solar geometry at mid-hour, clouds after Kasten and Czeplak (1980)."""
    season = 2.0 * math.pi * calendar.day_of_year / 365.0
    declination = 0.409 * np.sin(season - 1.39)
    distance = 1.0 + 0.033 * np.cos(season)
    latitude = np.radians(places.latitude)[:, None]
    hour_angle = 2.0 * math.pi * (_solar_hour(places, calendar) + 0.5 - 12.0) / 24.0
    height = np.sin(latitude) * np.sin(declination) + np.cos(latitude) * np.cos(declination) * np.cos(hour_angle)
    clear = SOLAR_CONSTANT * distance * np.maximum(height, 0.0) * (0.75 + 2e-5 * places.elevation[:, None])
    radiation: Array = clear * (1.0 - 0.75 * region.cloud**3.4)
    return radiation


def _solar_hour(places: Places, calendar: _Calendar) -> Array:
    """Local solar time at the start of each hour, shape (N, T)."""
    return calendar.utc_hour + places.longitude[:, None] / 15.0
