"""The weather variables that ngen knows by several names (after NOAA's Analysis of Record for Calibration, AORC)."""

from __future__ import annotations

from typing import NamedTuple


class WellKnownVariable(NamedTuple):
    """A variable that ngen knows by several names.

    Attributes
    ----------
    file_names : tuple of str
        Names in files: AORC's, then WRF-Hydro's if it has one.
    csdms : str
        CSDMS standard name under which ngen offers it too.
    units : str
        Unit assumed where a file gives none.
    """

    file_names: tuple[str, ...]
    csdms: str
    units: str


WELL_KNOWN = (
    WellKnownVariable(("precip_rate", "RAINRATE"), "atmosphere_water__liquid_equivalent_precipitation_rate", "mm s^-1"),
    WellKnownVariable(("APCP_surface",), "atmosphere_water__rainfall_volume_flux", "kg m^-2"),
    WellKnownVariable(("TMP_2maboveground", "T2D"), "land_surface_air__temperature", "K"),
    WellKnownVariable(("SPFH_2maboveground", "Q2D"), "atmosphere_air_water~vapor__relative_saturation", "kg kg-1"),
    WellKnownVariable(("DLWRF_surface", "LWDOWN"), "land_surface_radiation~incoming~longwave__energy_flux", "W m-2"),
    WellKnownVariable(("DSWRF_surface", "SWDOWN"), "land_surface_radiation~incoming~shortwave__energy_flux", "W m-2"),
    WellKnownVariable(("PRES_surface", "PSFC"), "land_surface_air__pressure", "Pa"),
    WellKnownVariable(("UGRD_10maboveground", "U2D"), "land_surface_wind__x_component_of_velocity", "m s-1"),
    WellKnownVariable(("VGRD_10maboveground", "V2D"), "land_surface_wind__y_component_of_velocity", "m s-1"),
)
