"""Potential evapotranspiration: Penman–Monteith from hourly weather, Hargreaves from daily temperatures.

Ordinary functions of tensors; :func:`dmg_core.equations.compile_scalar` makes machine code of them.
"""

from __future__ import annotations

import math

from dmg_core.deferred import torch

#: Stefan–Boltzmann constant, MJ K⁻⁴ m⁻² h⁻¹.
STEFAN_BOLTZMANN = 4.903e-9 / 24.0

#: Converts W m⁻² to MJ m⁻² h⁻¹.
MEGAJOULE_PER_HOUR = 0.0036

#: Wind at 2 m as a share of wind at 10 m over short grass (FAO-56, equation 47).
WIND_2M = 4.87 / math.log(67.8 * 10.0 - 5.42)

#: Solar constant, MJ m⁻² min⁻¹.
SOLAR_CONSTANT = 0.0820


def saturation_pressure(T: torch.Tensor) -> torch.Tensor:
    """Give the pressure of saturated water vapour, kPa, at ``T`` in °C (Allen et al. 1998, equation 11)."""
    return 0.6108 * torch.exp(17.27 * T / (T + 237.3))


def penman_monteith(
    T: torch.Tensor,
    q: torch.Tensor,
    longwave: torch.Tensor,
    shortwave: torch.Tensor,
    pressure: torch.Tensor,
    wind_x: torch.Tensor,
    wind_y: torch.Tensor,
) -> torch.Tensor:
    """Compute hourly FAO-56 Penman–Monteith evapotranspiration (Allen et al. 1998, equation 53 with hourly Cd).

    Parameters
    ----------
    T : Tensor
        Temperature, °C.
    q : Tensor
        Specific humidity, kg kg⁻¹.
    longwave, shortwave : Tensor
        Downward radiation, W m⁻².
    pressure : Tensor
        Pa.
    wind_x, wind_y : Tensor
        Components of the wind at 10 m, m s⁻¹.

    Returns
    -------
    Tensor
        mm/h.
    """
    p = pressure / 1000.0
    u2 = WIND_2M * torch.sqrt(wind_x * wind_x + wind_y * wind_y)

    psychrometric = 0.000665 * p
    es = saturation_pressure(T)
    ea = q * p / (0.622 + 0.378 * q)
    slope = 4098.0 * es / ((T + 237.3) * (T + 237.3))

    kelvin = T + 273.15
    emitted = 0.98 * STEFAN_BOLTZMANN * (kelvin * kelvin) * (kelvin * kelvin)
    net = (1.0 - 0.23) * MEGAJOULE_PER_HOUR * shortwave + MEGAJOULE_PER_HOUR * longwave - emitted
    day = net > 0.0
    into_soil = torch.where(day, 0.1 * net, 0.5 * net)
    surface = torch.where(day, 0.24 * u2, 0.96 * u2)

    radiation = 0.408 * slope * (net - into_soil)
    aerodynamic = psychrometric * 37.0 / kelvin * u2 * (es - ea)
    return torch.clamp((radiation + aerodynamic) / (slope + psychrometric * (1.0 + surface)), min=0.0)


def hargreaves(
    tmin: torch.Tensor, tmax: torch.Tensor, tmean: torch.Tensor, latitude: torch.Tensor, day_of_year: torch.Tensor
) -> torch.Tensor:
    """Compute daily Hargreaves evapotranspiration (Hargreaves and Samani 1985; extraterrestrial radiation as in FAO-56, equation 21).

    Parameters
    ----------
    tmin, tmax, tmean : Tensor
        The day's lowest, highest and mean temperature, °C.
    latitude : Tensor
        Radians.
    day_of_year : Tensor
        1 … 366.

    Returns
    -------
    Tensor
        mm/d.
    """
    season = 2.0 * math.pi / 365.0 * day_of_year
    declination = 0.409 * torch.sin(season - 1.39)
    sunset = torch.acos(torch.clamp(-torch.tan(latitude) * torch.tan(declination), -1.0, 1.0))
    distance = 1.0 + 0.033 * torch.cos(season)
    sun = sunset * torch.sin(latitude) * torch.sin(declination) + torch.cos(latitude) * torch.cos(declination) * torch.sin(sunset)
    radiation = 24.0 * 60.0 / math.pi * SOLAR_CONSTANT * distance * sun
    warmth = (tmean + 17.8) * torch.sqrt(torch.clamp(tmax - tmin, min=0.0))
    return torch.clamp(0.0023 * 0.408 * radiation * warmth, min=0.0)
