from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from dmg_core.data import BasinData
from dmg_core.errors import AttributeTableError, ConfigError, ForcingError

Make = Callable[..., BasinData]


def changed(data: BasinData, day: int, basin: int, column: int, value: float) -> np.ndarray:
    """The forcing with another value at one place."""
    forcing = data.forcing.copy()
    forcing[day, basin, column] = value
    return forcing


def test_periods_have_both_their_ends(make_basins: Make) -> None:
    """A period holds its first and its last day, and the series of these days."""
    data = make_basins()
    part = data.period("2000-01-01", np.datetime64("2000-12-31"))
    assert (str(part.dates[0]), str(part.dates[-1]), len(part.dates)) == ("2000-01-01", "2000-12-31", 366)
    np.testing.assert_array_equal(part.flow, data.flow[92 : 92 + 366])
    np.testing.assert_array_equal(part.forcing, data.forcing[92 : 92 + 366])
    assert part.ids == data.ids


@pytest.mark.parametrize(("start", "end"), [("1999-09-30", "2000-01-01"), ("2000-01-01", "2030-01-01"), ("2000-02-01", "2000-01-01")])
def test_periods_outside_the_data_are_refused(make_basins: Make, start: str, end: str) -> None:
    """A period that the data do not have, or that ends before it begins, is an error that names both."""
    with pytest.raises(ConfigError, match=rf"1999-10-01 to 2001-12-08, not all of {start} to {end}"):
        make_basins().period(start, end)


def test_basins_come_in_the_order_asked_for(make_basins: Make) -> None:
    """Choosing basins reorders everything that belongs to them."""
    data = make_basins()
    part = data.select(["11381500", "01013500"])
    rows = [2, 0]
    assert part.ids == ("11381500", "01013500")
    for name in ("attributes", "upstream_area", "elevation", "latitude", "longitude"):
        np.testing.assert_array_equal(getattr(part, name), getattr(data, name)[rows])
    np.testing.assert_array_equal(part.flow, data.flow[:, rows])
    np.testing.assert_array_equal(part.forcing, data.forcing[:, rows])


def test_unknown_basins_are_named(make_basins: Make) -> None:
    """All basins that are not there are named."""
    with pytest.raises(ConfigError, match="2 of 3 basins are not in the data: 00000001, 00000002"):
        make_basins().select(["00000001", "01013500", "00000002"])


def test_attributes_can_be_put_in_place_of_others(make_basins: Make) -> None:
    """Other attributes take the place of those that were there; one of another length or without value is refused."""
    data = make_basins().with_attributes({"uparea": np.array([1.0, 2.0, 3.0])})
    assert data.attribute_names == ("uparea",)
    np.testing.assert_array_equal(data.attributes, [[1.0], [2.0], [3.0]])
    with pytest.raises(AttributeTableError, match="shape"):
        data.with_attributes({"uparea": np.array([1.0, 2.0])})
    with pytest.raises(AttributeTableError, match="09484000: attribute uparea is nan"):
        data.with_attributes({"uparea": np.array([1.0, np.nan, 3.0])})


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        (0, np.nan, "precipitation is nan mm/d; a value for every day"),
        (2, np.inf, "potential evapotranspiration is inf mm/d; a value for every day"),
        (0, -0.1, "precipitation is -0.1 mm/d; probably a marker of missing values"),
        (0, 2500.0, "precipitation is 2500 mm/d; probably another unit"),
        (1, 285.0, "temperature is 285 degC; probably K or degF instead of degC"),
        (1, -9999.0, "temperature is -9999 degC; probably a marker"),
        (2, -1.0, "potential evapotranspiration is -1 mm/d; probably a marker"),
        (2, 180.0, "potential evapotranspiration is 180 mm/d; probably W/m2"),
    ],
)
def test_impossible_weather_is_refused(make_basins: Make, column: int, value: float, message: str) -> None:
    """A gap or a value that no weather has is an error with basin, date, value, and the likely mistake."""
    forcing = changed(make_basins(), 31, 1, column, value)
    with pytest.raises(ForcingError, match=f"basin 09484000, 1999-11-01: {message}"):
        make_basins(forcing=forcing)


@pytest.mark.parametrize(("column", "name"), [(0, "precipitation"), (2, "potential evapotranspiration")])
def test_metres_are_told_from_millimetres(make_basins: Make, column: int, name: str) -> None:
    """A year whose largest rain or evapotranspiration is a fraction of a millimetre is taken for one in metres."""
    forcing = make_basins().forcing.copy()
    forcing[:, 2, column] /= 1000.0
    with pytest.raises(
        ForcingError, match=rf"basin 11381500: the largest {name} of 800 days is 0\.\d+ mm/d .* m/d or mm/s instead of mm/d"
    ):
        make_basins(forcing=forcing, flow=np.full((800, 3), np.nan))
    make_basins(days=100, forcing=forcing[:100], flow=np.full((100, 3), np.nan))


def test_kelvin_is_told_from_celsius(make_basins: Make) -> None:
    """Temperatures in K are refused on the first day."""
    forcing = make_basins().forcing + np.array([0.0, 273.15, 0.0])
    with pytest.raises(ForcingError, match=r"basin 01013500, 1999-10-01: temperature is .* K or degF instead of degC"):
        make_basins(forcing=forcing)


def test_cubic_feet_are_told_from_millimetres(make_basins: Make) -> None:
    """Flow in ft³/s, which is more than ever rained, is refused with the day of its peak."""
    flow = make_basins().flow.copy()
    flow[:, 2] *= 20.0
    flow[5, 2] = np.nan
    day = int(np.nanargmax(flow[:, 2]))
    with pytest.raises(
        ForcingError, match=r"basin 11381500: .* times the precipitation runs off, on .* cfs or m3/s instead of mm/d"
    ) as caught:
        make_basins(flow=flow)
    assert f"on {make_basins().dates[day]} {flow[day, 2]:g} mm/d" in str(caught.value)


@pytest.mark.parametrize(
    ("value", "message"), [(-999.0, "marker"), (5000.0, "cfs or m3/s"), (np.inf, "NaN marks a day without observation")]
)
def test_impossible_flow_is_refused(make_basins: Make, value: float, message: str) -> None:
    """A flow below 0, beyond all measure, or infinite is an error with basin, date and value."""
    flow = make_basins().flow.copy()
    flow[0, 0] = value
    with pytest.raises(ForcingError, match=f"basin 01013500, 1999-10-01: flow is {value:g} mm/d; .*{message}"):
        make_basins(flow=flow)


def test_days_without_flow_are_no_fault(make_basins: Make) -> None:
    """Flow may be missing, on some days or altogether."""
    flow = make_basins().flow.copy()
    flow[:400, 0], flow[:, 1] = np.nan, np.nan
    assert np.isnan(make_basins(flow=flow).flow[:, 1]).all()


def test_missing_days_are_named(make_basins: Make) -> None:
    """A gap between days is an error that names its ends."""
    dates = make_basins().dates.copy()
    dates[10:] += np.timedelta64(2, "D")
    with pytest.raises(ForcingError, match="1999-10-10 is followed by 1999-10-13, expected the next day"):
        make_basins(dates=dates)


@pytest.mark.parametrize(
    ("field", "value", "error", "message"),
    [
        (
            "forcing",
            np.zeros((800, 3, 2)),
            ForcingError,
            r"forcing of 3 basins and 800 days has shape \(800, 3, 2\), expected \(800, 3, 3\)",
        ),
        ("flow", np.zeros((3, 800)), ForcingError, r"flow .* expected \(800, 3\)"),
        ("latitude", np.zeros(2), ForcingError, r"latitude .* expected \(3,\)"),
        ("attributes", np.zeros((2, 3)), AttributeTableError, r"attributes have shape \(2, 3\), expected \(3, 2\)"),
        ("attributes", np.full((3, 2), np.nan), AttributeTableError, "01013500: attribute aridity is nan"),
        ("ids", ("1", "2", "1"), ForcingError, "more than once: 1"),
        ("ids", (), ForcingError, "data of 0 basins"),
        ("upstream_area", np.array([1.0, 0.0, 1.0]), AttributeTableError, "09484000: upstream area is 0 km2"),
        ("latitude", np.array([1.0, 0.0, 95.0]), AttributeTableError, "11381500: .* latitude 95 degrees"),
        ("elevation", np.array([1.0, np.nan, 95.0]), AttributeTableError, "09484000: attribute elevation is nan"),
    ],
)
def test_what_does_not_fit_is_refused(make_basins: Make, field: str, value: object, error: type[Exception], message: str) -> None:
    """Shapes that do not fit, repeated basins and impossible places are errors that name them."""
    with pytest.raises(error, match=message):
        make_basins(**{field: value})
