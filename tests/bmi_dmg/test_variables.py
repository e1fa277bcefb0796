from __future__ import annotations

import pytest
from cf_units import Unit
from standard_names.standardname import StandardName

from bmi_dmg.variables import (
    HARGREAVES_INPUTS,
    INPUTS,
    OUTPUTS,
    PENMAN_MONTEITH_INPUTS,
    RUNOFF_DEPTH,
    InputVariable,
    OutputVariable,
    raise_unknown,
)
from dmg_core.models import Layout
from dmg_core.models.hbv import Hbv20

VARIABLES = (*PENMAN_MONTEITH_INPUTS, *OUTPUTS)

#: What ngen calls its forcings in CSDMS terms, and the units it has them in.
NGEN_FORCINGS = {
    "atmosphere_water__liquid_equivalent_precipitation_rate": "mm s^-1",
    "land_surface_air__temperature": "K",
    "atmosphere_air_water~vapor__relative_saturation": "kg kg-1",
    "land_surface_radiation~incoming~longwave__energy_flux": "W m-2",
    "land_surface_radiation~incoming~shortwave__energy_flux": "W m-2",
    "land_surface_air__pressure": "Pa",
    "land_surface_wind__x_component_of_velocity": "m s-1",
    "land_surface_wind__y_component_of_velocity": "m s-1",
}


def _name(variable: InputVariable | OutputVariable) -> str:
    return variable.name


@pytest.mark.parametrize("variable", VARIABLES, ids=_name)
def test_name_is_a_standard_name(variable: InputVariable | OutputVariable) -> None:
    """Every name parses as a CSDMS standard name, an object and a quantity."""
    name = StandardName(variable.name)
    assert name.object
    assert name.quantity


@pytest.mark.parametrize("variable", VARIABLES, ids=_name)
def test_units_are_known_to_udunits(variable: InputVariable | OutputVariable) -> None:
    """Every unit is one that UDUNITS reads, none an empty one, and every variable says what it means."""
    unit = Unit(variable.units)
    assert not unit.is_unknown()
    assert not unit.is_no_unit()
    assert variable.meaning


@pytest.mark.parametrize("variable", PENMAN_MONTEITH_INPUTS, ids=_name)
def test_ngen_can_convert_its_forcing(variable: InputVariable) -> None:
    """Inputs bear the names of ngen's forcings, and the forcing's unit can be converted to the input's."""
    assert Unit(NGEN_FORCINGS[variable.name]).is_convertible(Unit(variable.units))


@pytest.mark.parametrize("variable", OUTPUTS, ids=_name)
def test_outputs_are_depths_or_rates(variable: OutputVariable) -> None:
    """Outputs are depths in m or rates in m/h, and each stands for one output of the engine."""
    assert variable.units in ({"m", "m h-1"} if variable.model_units == "mm" else {variable.model_units})
    assert variable.source in Layout.of(Hbv20()).outputs


def test_names_are_unique() -> None:
    """No two variables share a name."""
    assert len({variable.name for variable in VARIABLES}) == len(VARIABLES)


def test_all_fluxes_and_stores_can_be_read() -> None:
    """Routed and unrouted flow, its components, all other fluxes and all stores are among the outputs."""
    wanted = {"streamflow", "unrouted_streamflow", "surface_flow", "interflow", "baseflow", "aet", "pet", "recharge", "percolation"}
    wanted |= {"capillary_rise", "regional_exchange", "swe", "soil_moisture", "infiltration_excess"}
    wanted |= {"meltwater", "upper_zone", "lower_zone"}
    assert wanted <= {variable.source for variable in OUTPUTS}


def test_each_method_asks_for_what_it_needs() -> None:
    """Hargreaves asks for precipitation in mm/h and temperature in °C; Penman–Monteith for these first, then six more."""
    assert [(variable.name, variable.units) for variable in INPUTS["hargreaves"]] == [
        ("atmosphere_water__liquid_equivalent_precipitation_rate", "mm h-1"),
        ("land_surface_air__temperature", "degC"),
    ]
    assert INPUTS["penman_monteith"][:2] == HARGREAVES_INPUTS
    assert [variable.name for variable in INPUTS["penman_monteith"]] == list(NGEN_FORCINGS)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("atmosphere_water__liquid_equivalent_precipitation_rate", 305.0),
        ("land_surface_air__temperature", -65.0),
        ("land_surface_air__temperature", 54.0),
        ("atmosphere_air_water~vapor__relative_saturation", 0.037),
        ("land_surface_radiation~incoming~longwave__energy_flux", 550.0),
        ("land_surface_radiation~incoming~shortwave__energy_flux", 1400.0),
        ("land_surface_air__pressure", 58000.0),
        ("land_surface_air__pressure", 106000.0),
        ("land_surface_wind__x_component_of_velocity", -60.0),
        ("land_surface_wind__y_component_of_velocity", 60.0),
    ],
)
def test_extremes_that_have_been_measured_are_possible(variable: str, value: float) -> None:
    """The bounds leave room for records: an hour's 305 mm, Yakutia, Death Valley, humid tropics, high mountains, hurricanes."""
    row = next(row for row in PENMAN_MONTEITH_INPUTS if row.name == variable)
    assert row.low <= value <= row.high


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("land_surface_air__temperature", 200.0),
        ("land_surface_air__temperature", 273.15),
        ("atmosphere_water__liquid_equivalent_precipitation_rate", -0.1),
        ("land_surface_air__pressure", 1013.0),
        ("land_surface_air__pressure", 101.3),
        ("land_surface_radiation~incoming~shortwave__energy_flux", -1.0),
        ("atmosphere_air_water~vapor__relative_saturation", 0.3),
        ("atmosphere_air_water~vapor__relative_saturation", 18.0),
    ],
)
def test_mistakes_in_units_are_impossible_values(name: str, value: float) -> None:
    """Negative rain, kelvins for °C, hPa or kPa for Pa and g/kg for kg/kg, even of frosty air, lie outside the bounds."""
    row = next(row for row in PENMAN_MONTEITH_INPUTS if row.name == name)
    assert not row.low <= value <= row.high


def test_values_are_turned_into_units_per_hour() -> None:
    """10 mm of the engine are 0.01 m per hourly step or 0.01/24 m per hour of a daily step; stores are 0.01 m in both; shares stay."""
    assert [variable.factor(1) for variable in OUTPUTS if variable.units == "1"] == [1.0]
    factors = {variable.name: (variable.factor(1), variable.factor(24)) for variable in OUTPUTS if variable.units != "1"}
    stores = {variable.name for variable in OUTPUTS if variable.source in {"swe", "meltwater", "soil_moisture", "upper_zone", "lower_zone"}}
    for name, factor in factors.items():
        assert factor == pytest.approx((1e-3, 1e-3) if name in stores else (1e-3 / 24.0, 1e-3), rel=1e-15)
    assert RUNOFF_DEPTH not in stores


def test_unknown_name_brings_up_the_nearest() -> None:
    """The error for an unknown variable names it and the known one that is nearest."""
    with pytest.raises(KeyError, match=r"'land_surface_air__temprature'; the nearest known is 'land_surface_air__temperature'"):
        raise_unknown("land_surface_air__temprature", [variable.name for variable in VARIABLES])


def test_unknown_name_without_any_known() -> None:
    """The error needs no known names."""
    with pytest.raises(KeyError, match="unknown variable 'rain'"):
        raise_unknown("rain", [])
