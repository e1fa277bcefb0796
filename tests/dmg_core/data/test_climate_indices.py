from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import torch

from dmg_core.data.climate_indices import (
    INDICES,
    DailyWeather,
    climate_indices,
    duration,
    frequency,
    precipitation_timing,
    walsh_lawler,
)
from dmg_core.physics.pet import hargreaves

#: Period of the published climate indices.
FIRST, DAYS = date(1989, 10, 1), 7305
PUBLISHED = (
    "p_mean",
    "pet_mean",
    "aridity",
    "p_seasonality",
    "frac_snow",
    "high_prec_freq",
    "high_prec_dur",
    "low_prec_freq",
    "low_prec_dur",
)


def weather_of(start: date, days: int, n: int = 1, seed: int = 1) -> DailyWeather:
    """Random weather with seasons."""
    random = np.random.default_rng(seed)
    season = np.sin(2.0 * np.pi * (np.arange(days) - 110.0) / 365.25)[:, None]
    return DailyWeather(
        start,
        random.gamma(0.3, 8.0, (days, n)) * (1.0 + 0.5 * season),
        9.0 + 12.0 * season + random.normal(0.0, 3.0, (days, n)),
        np.maximum(0.0, 2.5 + 2.0 * season + random.normal(0.0, 0.3, (days, n))),
    )


@pytest.fixture(scope="module")
def camels(shared: Path) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Indices of every eleventh basin of CAMELS-US as we compute them, and as they were published."""
    with netCDF4.Dataset(str(shared / "data" / "camels_us_daymet.nc")) as dataset:
        gauges = [str(gauge) for gauge in dataset["gauge_id"][:]][::11]
        first = (FIRST - date(1980, 1, 1)).days
        rain, low, high = (
            np.ma.getdata(dataset[name][::11, first : first + DAYS]).T.astype(np.float64) for name in ("prcp", "tmin", "tmax")
        )
        latitude = np.radians(np.ma.getdata(dataset["lat"][::11]))
    days = np.datetime64(FIRST) + np.arange(DAYS)
    day_of_year = (days - days.astype("datetime64[Y]")).astype(np.float64) + 1.0
    mean = (low + high) / 2.0
    tensors = (torch.from_numpy(values) for values in (low, high, mean, latitude, day_of_year[:, None]))
    weather = DailyWeather(FIRST, rain, mean, hargreaves(*tensors).numpy())
    with (shared / "data" / "camels_us_attributes.csv").open() as stream:
        rows = {row["gauge_id"].zfill(8): row for row in csv.DictReader(stream)}
    return climate_indices(weather), {name: np.array([float(rows[gauge][name]) for gauge in gauges]) for name in PUBLISHED}


@pytest.mark.parametrize("name", ["p_mean", "high_prec_freq", "high_prec_dur", "low_prec_freq", "low_prec_dur"])
def test_sums_and_spells_are_those_published(camels: tuple[dict[str, np.ndarray], dict[str, np.ndarray]], name: str) -> None:
    """From the same daily series, means, frequencies and durations of CAMELS come out to rounding."""
    ours, published = camels
    np.testing.assert_allclose(ours[name], published[name], rtol=1e-12)


def test_seasonality_is_that_published(camels: tuple[dict[str, np.ndarray], dict[str, np.ndarray]]) -> None:
    """The seasonality of precipitation is that of CAMELS to 1e-4, the tolerance of an iterative fit."""
    np.testing.assert_allclose(camels[0]["p_seasonality"], camels[1]["p_seasonality"], atol=1e-4)


def test_snow_is_that_published(camels: tuple[dict[str, np.ndarray], dict[str, np.ndarray]]) -> None:
    """The share of snow is that of CAMELS to 0.0015; with 0 °C in place of 1 °C it would be far from it."""
    ours, published = camels
    np.testing.assert_allclose(ours["frac_snow"], published["frac_snow"], atol=0.0015)
    assert np.abs(ours["snowfall_fraction"] - published["frac_snow"]).max() > 0.05


def test_evapotranspiration_is_near_that_published(camels: tuple[dict[str, np.ndarray], dict[str, np.ndarray]]) -> None:
    """Hargreaves' PET and aridity are near those of CAMELS, which are Priestley and Taylor's, calibrated."""
    for name in ("pet_mean", "aridity"):
        ratio = camels[0][name] / camels[1][name]
        assert 1.05 < np.median(ratio) < 1.17, name
        assert 0.6 < np.quantile(ratio, 0.05) < np.quantile(ratio, 0.95) < 1.3, name


def test_attributes_of_dhbv_agree_with_weather_there(shared: Path) -> None:
    """Computed from a basin in the Juniata's, the attributes of δHBV 2.0 are within the published ones around its gauge."""
    published = {  # of the 12 divides nearest to gauge 01557500: lowest and highest
        "meanP": (1060.0, 1113.0, 0.08),
        "ETPOT_Hargr": (967.0, 1018.0, 0.05),
        "aridity": (0.871, 0.961, 0.1),
        "seasonality_P": (0.1165, 0.1254, 0.05),
        "seasonality_PET": (0.588, 0.593, 0.05),
        "snowfall_fraction": (0.1235, 0.148, 0.05),
    }
    with netCDF4.Dataset(str(shared / "data" / "camels_us_daymet.nc")) as dataset:
        row = [str(gauge) for gauge in dataset["gauge_id"][:]].index("01557500")
        rain, low, high = (np.ma.getdata(dataset[name][row])[:, None].astype(np.float64) for name in ("prcp", "tmin", "tmax"))
        latitude = float(dataset["lat"][row])
    days = np.datetime64("1980-01-01") + np.arange(len(rain))
    day_of_year = (days - days.astype("datetime64[Y]")).astype(np.float64)[:, None] + 1.0
    mean = (low + high) / 2.0
    latitudes = np.full_like(mean, np.radians(latitude))
    pet = hargreaves(*(torch.from_numpy(values) for values in (low, high, mean, latitudes, day_of_year))).numpy()
    ours = climate_indices(DailyWeather(date(1980, 1, 1), rain, mean, pet))
    for name, (lowest, highest, tolerance) in published.items():
        assert (1 - tolerance) * lowest < ours[name][0] < (1 + tolerance) * highest, name
    assert abs(ours["meanTa"][0] - 8.96) < 0.5


def test_seasonality_index_has_its_known_ends() -> None:
    """Rain that is the same every day has index 0 but for the lengths of the months, rain of one month 22/12."""
    days = np.datetime64("2001-01-01") + np.arange(1461)
    month = days.astype("datetime64[M]").astype(int) % 12
    assert walsh_lawler(np.ones((1461, 1)), days)[0] == pytest.approx(0.0, abs=0.03)
    assert walsh_lawler((month == 6)[:, None].astype(float), days)[0] == pytest.approx(22.0 / 12.0)


@pytest.mark.parametrize(("phase", "sign"), [(0.0, 1.0), (183.0, -1.0)])
def test_timing_tells_summer_from_winter_rain(phase: float, sign: float) -> None:
    """A sine of rain in step with temperature gives its relative amplitude, one out of step the same with a minus."""
    day = np.arange(1461)
    wave = np.sin(2.0 * np.pi * (day - 110.0) / 365.25)[:, None]
    rain = 3.0 * (1.0 + 0.4 * np.sin(2.0 * np.pi * (day - 110.0 - phase) / 365.25))[:, None]
    weather = DailyWeather(date(2001, 1, 1), rain, 10.0 + 8.0 * wave, np.ones_like(rain))
    assert precipitation_timing(weather)[0] == pytest.approx(sign * 0.4, abs=0.005)


def test_spells_are_counted() -> None:
    """Days per year and mean lengths are those of the spells; where there are none both are 0."""
    days = np.array([[1, 1, 0, 1, 0, 0, 1, 1, 1, 0], [0] * 10], dtype=bool).T
    np.testing.assert_allclose(frequency(days), [0.6 * 365.25, 0.0])
    np.testing.assert_allclose(duration(days), [2.0, 0.0])


def test_what_follows_the_last_year_is_left_out() -> None:
    """Half a year more changes nothing, and a year that lacks a few days counts."""
    long, short = weather_of(date(2001, 1, 1), 365 * 2 + 180), weather_of(date(2001, 1, 1), 365 * 2 + 180).whole_years()
    assert (long.years, len(short.precipitation)) == (2, 730)
    np.testing.assert_array_equal(climate_indices(long)["p_mean"], climate_indices(short)["p_mean"])
    assert weather_of(date(2001, 1, 1), 361).years == 1
    assert weather_of(date(2001, 1, 1), 300).years == 0


def test_less_than_a_year_gives_nothing() -> None:
    """Without a whole year there is no climate."""
    indices = climate_indices(weather_of(date(2001, 1, 1), 300))
    assert all(np.isnan(values).all() for values in indices.values())


def test_gaps_give_nothing_for_their_catchment() -> None:
    """A catchment whose weather has a gap has no indices; the others are as without it."""
    whole = weather_of(date(2001, 1, 1), 800, n=2)
    expected = climate_indices(whole)
    whole.temperature[5, 0] = np.nan
    indices = climate_indices(whole)
    assert indices.keys() == INDICES.keys()
    for name, values in indices.items():
        assert np.isnan(values[0])
        assert values[1] == expected[name][1]


def test_a_catchment_without_rain_has_no_ratios() -> None:
    """Without rain, sums are 0 and ratios are unknown, without a warning."""
    weather = weather_of(date(2001, 1, 1), 730)
    weather.precipitation[:] = 0.0
    indices = climate_indices(weather)
    assert indices["p_mean"][0] == 0.0
    assert not np.isfinite(indices["aridity"][0])
