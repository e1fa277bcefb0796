"""Potential evapotranspiration: Penman–Monteith from hourly weather, Hargreaves from daily temperatures.

Like the process equations, each is built with a set of operations, so that one text serves tensors and compiled scalars.
"""

from __future__ import annotations

import math

from dmg_core.physics.operations import TORCH, Function, Operations, Quantity

#: Stefan–Boltzmann constant, MJ K⁻⁴ m⁻² h⁻¹.
STEFAN_BOLTZMANN = 4.903e-9 / 24.0

#: Converts W m⁻² to MJ m⁻² h⁻¹.
MEGAJOULE_PER_HOUR = 0.0036

#: Wind at 2 m as a share of wind at 10 m over short grass (FAO-56, equation 47).
WIND_2M = 4.87 / math.log(67.8 * 10.0 - 5.42)

#: Solar constant, MJ m⁻² min⁻¹.
SOLAR_CONSTANT = 0.0820


def penman_monteith_equation(op: Operations) -> Function:
    """Build the hourly FAO-56 Penman–Monteith equation (Allen et al. 1998, equation 53 with hourly Cd).

    The equation takes temperature (°C), specific humidity (kg kg⁻¹), downward long- and short-wave radiation (W m⁻²), pressure (Pa) and the
    two components of the wind at 10 m (m s⁻¹), and returns mm/h.
    """
    maximum, where, exp, sqrt = op.maximum, op.where, op.exp, op.sqrt

    def equation(
        T: Quantity, q: Quantity, longwave: Quantity, shortwave: Quantity, pressure: Quantity, wind_x: Quantity, wind_y: Quantity
    ) -> Quantity:
        p = pressure / 1000.0
        u2 = WIND_2M * sqrt(wind_x * wind_x + wind_y * wind_y)

        psychrometric = 0.000665 * p
        es = 0.6108 * exp(17.27 * T / (T + 237.3))
        ea = q * p / (0.622 + 0.378 * q)
        slope = 4098.0 * es / ((T + 237.3) * (T + 237.3))

        kelvin = T + 273.15
        emitted = 0.98 * STEFAN_BOLTZMANN * (kelvin * kelvin) * (kelvin * kelvin)
        net = (1.0 - 0.23) * MEGAJOULE_PER_HOUR * shortwave + MEGAJOULE_PER_HOUR * longwave - emitted
        day = net > 0.0
        into_soil = where(day, 0.1 * net, 0.5 * net)
        surface = where(day, 0.24 * u2, 0.96 * u2)

        radiation = 0.408 * slope * (net - into_soil)
        aerodynamic = psychrometric * 37.0 / kelvin * u2 * (es - ea)
        return maximum((radiation + aerodynamic) / (slope + psychrometric * (1.0 + surface)), 0.0)

    return op.compiled(equation)


def hargreaves_equation(op: Operations) -> Function:
    """Build the daily Hargreaves equation (Hargreaves and Samani 1985; extraterrestrial radiation as in FAO-56, equation 21).

    The equation takes the day's lowest, highest and mean temperature (°C), latitude (radians) and day of the year (1 … 366), and returns
    mm/d.
    """
    maximum, clip, sqrt, sin, cos, acos, tan = op.maximum, op.clip, op.sqrt, op.sin, op.cos, op.acos, op.tan

    def equation(tmin: Quantity, tmax: Quantity, tmean: Quantity, latitude: Quantity, day_of_year: Quantity) -> Quantity:
        season = 2.0 * math.pi / 365.0 * day_of_year
        declination = 0.409 * sin(season - 1.39)
        sunset = acos(clip(-tan(latitude) * tan(declination), -1.0, 1.0))
        distance = 1.0 + 0.033 * cos(season)
        sun = sunset * sin(latitude) * sin(declination) + cos(latitude) * cos(declination) * sin(sunset)
        radiation = 24.0 * 60.0 / math.pi * SOLAR_CONSTANT * distance * sun
        warmth = (tmean + 17.8) * sqrt(maximum(tmax - tmin, 0.0))
        return maximum(0.0023 * 0.408 * radiation * warmth, 0.0)

    return op.compiled(equation)


#: The equations for tensors.
penman_monteith = penman_monteith_equation(TORCH)
hargreaves = hargreaves_equation(TORCH)
