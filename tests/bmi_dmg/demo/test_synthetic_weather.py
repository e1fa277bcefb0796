from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest
from numpy.typing import NDArray

from bmi_dmg.demo.synthetic_weather import Places, synthesize_weather
from bmi_dmg.run_folder.aorc import WELL_KNOWN
from bmi_dmg.run_folder.units import converter
from bmi_dmg.run_folder.writing import FORCING_UNITS
from bmi_dmg.variables import PENMAN_MONTEITH_INPUTS

Weather = dict[str, NDArray[np.float32]]
PLACES = Places(latitude=np.full(3, 40.5), longitude=np.full(3, -78.0), elevation=np.array([100.0, 400.0, 1500.0]))
START = datetime(2018, 1, 1)
DAYS = 730


def make(days: int = DAYS, seed: int = 3) -> Weather:
    """Make weather for three places at different heights."""
    return synthesize_weather(PLACES, START, 24 * days, seed)


@pytest.fixture(scope="module")
def weather() -> Weather:
    """Two years of weather."""
    return make()


def test_same_seed_same_weather() -> None:
    """A seed gives the same numbers every time, another seed gives others."""
    first, again, other = make(days=20), make(days=20), make(days=20, seed=4)
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
    assert not np.array_equal(first["TMP_2maboveground"], other["TMP_2maboveground"])


def test_weather_has_all_that_aorc_has(weather: Weather) -> None:
    """Every variable of AORC is there for every place and hour, in float32."""
    assert weather.keys() == {known.file_names[0] for known in WELL_KNOWN}
    for values in weather.values():
        assert values.shape == (3, 24 * DAYS)
        assert values.dtype == np.float32


def test_values_are_physically_possible(weather: Weather) -> None:
    """In the model's units all values are within what it accepts, and humidity is that of air, below 0.037 kg/kg."""
    names = {known.csdms: known.file_names[0] for known in WELL_KNOWN}
    for variable in PENMAN_MONTEITH_INPUTS:
        name = names[variable.name]
        convert = converter(FORCING_UNITS[name], variable.units)
        values = weather[name].astype(np.float64)
        values = values if convert is None else convert(values)
        assert np.all((variable.low <= values) & (values <= variable.high)), name
    assert 0.0 < weather["SPFH_2maboveground"].min() < weather["SPFH_2maboveground"].max() < 0.037


def test_precipitation_is_that_of_a_humid_climate() -> None:
    """Over ten years there are about 1000 mm a year at the reference elevation, more on mountains, and most hours are dry."""
    rain = make(days=3650)["APCP_surface"]
    low, middle, high = rain.sum(axis=1) / 10.0
    assert 850.0 < middle < 1250.0
    assert low < middle < high
    assert 0.04 < (rain > 0.0).mean() < 0.15


def test_places_share_their_storms(weather: Weather) -> None:
    """Rain in one place mostly means rain in the next, but never just as much; both variables of rain agree."""
    rain = weather["APCP_surface"]
    np.testing.assert_allclose(weather["precip_rate"], rain / 3600.0, rtol=1e-6)
    daily = rain.reshape(3, DAYS, 24).sum(axis=2)
    assert np.corrcoef(daily).min() > 0.8
    assert np.all(daily[0] != daily[1], where=daily[0] > 0.0)


def test_it_rains_in_storms(weather: Weather) -> None:
    """An hour after a rainy hour is rainy far more often than any hour."""
    rainy = weather["APCP_surface"][0] > 0.0
    assert rainy[1:][rainy[:-1]].mean() > 5.0 * rainy.mean()


def test_temperature_follows_season_day_and_height(weather: Weather) -> None:
    """July is warmer than January, afternoons warmer than nights (local time is five hours behind UTC), valleys warmer than mountains."""
    celsius = weather["TMP_2maboveground"] - 273.15
    days = celsius.reshape(3, DAYS, 24)
    january, july = days[:, :31].mean(axis=(1, 2)), days[:, 181:212].mean(axis=(1, 2))
    assert np.all(july - january > 15.0)
    assert january[1] < 3.0
    assert days[..., 20].mean() - days[..., 8].mean() > 4.0
    assert celsius[0].mean() - celsius[2].mean() == pytest.approx(9.1, abs=0.3)


def test_the_sun_shines_by_day(weather: Weather) -> None:
    """Short-wave radiation is zero at local midnight, highest around noon, and more in summer."""
    radiation = weather["DSWRF_surface"].reshape(3, DAYS, 24)
    assert radiation[..., 5].max() == 0.0
    assert 15 <= int(radiation.mean(axis=(0, 1)).argmax()) <= 18
    assert radiation[:, 151:181].mean() > 2.0 * radiation[:, :31].mean()


def test_air_is_never_more_than_saturated(weather: Weather) -> None:
    """Vapour pressure stays at or below saturation."""
    celsius = weather["TMP_2maboveground"].astype(np.float64) - 273.15
    humidity, pressure = weather["SPFH_2maboveground"], weather["PRES_surface"]
    vapour = humidity * pressure / (0.622 + 0.378 * humidity)
    assert np.all(vapour <= 610.8 * np.exp(17.27 * celsius / (celsius + 237.3)) * (1.0 + 1e-4))
