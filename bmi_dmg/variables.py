"""The BMI variables of a process model: names, units, and where their values come from, derived from its declaration."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final, NoReturn

from dmg_core.errors import ConfigError
from dmg_core.models import Flux, Forcing, ProcessModel
from dmg_core.models.hbv import Hbv20
from dmg_core.models.layout import TOTAL, UNROUTED_TOTAL
from dmg_core.spread import name_of_level

#: The largest finite number.
FINITE: Final = sys.float_info.max

#: Units of a depth of water in the equations.
DEPTH: Final = "mm"


@dataclass(frozen=True)
class InputVariable:
    """Weather that the framework sets before each step.

    Parameters
    ----------
    name : str
        CSDMS name, as ngen and NGIAB use it.
    units : str
        Units in which values are expected; ngen converts its forcing to them.
    low, high : float
        What is physically possible, in ``units``; :data:`FINITE` where any finite number is.
    meaning : str
        What it is.
    """

    name: str
    units: str
    low: float
    high: float
    meaning: str

    @property
    def possible(self) -> str:
        """What is physically possible, in words."""
        if (self.low, self.high) == (-FINITE, FINITE):
            return f"a finite number of {self.units}"
        if self.high == FINITE:
            return f"a finite number from {self.low:g} {self.units} on"
        return f"a finite number up to {self.high:g} {self.units}" if self.low == -FINITE else f"{self.low:g} to {self.high:g} {self.units}"


@dataclass(frozen=True)
class OutputVariable:
    """A result that can be read after each step.

    Parameters
    ----------
    name : str
        Name in the manner of CSDMS.
    units : str
        Units of the values.
    source : str
        One of the outputs of the process model.
    meaning : str
        What it is.
    model_units : str
        Its units there. A depth (mm; mm per step of a flux) is reported in m and m h-1, anything else as it is.
    is_store : bool
        Whether it is what is held at the end of a step.
    standard_name : str
        Its name in the table of the CF conventions, where that has one for a depth of water.
    """

    name: str
    units: str
    source: str
    meaning: str
    model_units: str = DEPTH
    is_store: bool = False
    standard_name: str = ""

    @classmethod
    def flux(cls, name: str, model_units: str, source: str, meaning: str, standard_name: str = "") -> OutputVariable:
        """Make the variable of a flux, in the units that follow from those of the model."""
        units = "m h-1" if model_units == DEPTH else model_units
        return cls(name, units, source, meaning, model_units, standard_name=standard_name)

    def factor(self, steps_per_day: int) -> float:
        """Turn the engine's value (of a model step) into ``units`` per hourly step.

        Parameters
        ----------
        steps_per_day : int
            Steps of the model in a day: 1 or 24.
        """
        if self.model_units != DEPTH:
            return 1.0
        metres = 1e-3
        return metres if self.is_store else metres * steps_per_day / 24.0


RUNOFF_DEPTH: Final = "land_surface_water__runoff_depth"

PRECIPITATION: Final = InputVariable(
    "atmosphere_water__liquid_equivalent_precipitation_rate", "mm h-1", 0.0, 1000.0, "rain and snow of the hour"
)
TEMPERATURE: Final = InputVariable("land_surface_air__temperature", "degC", -90.0, 60.0, "air temperature at 2 m")

#: What Penman–Monteith needs, in the order its equation takes them after precipitation.
PENMAN_MONTEITH_INPUTS: Final = (
    PRECIPITATION,
    TEMPERATURE,
    # ngen's name speaks of saturation; what NGIAB gives under it is specific humidity. The most humid air measured has 0.037.
    InputVariable("atmosphere_air_water~vapor__relative_saturation", "kg kg-1", 0.0, 0.1, "specific humidity at 2 m"),
    InputVariable("land_surface_radiation~incoming~longwave__energy_flux", "W m-2", 0.0, 1000.0, "downward long-wave radiation"),
    InputVariable("land_surface_radiation~incoming~shortwave__energy_flux", "W m-2", 0.0, 2000.0, "downward short-wave radiation"),
    InputVariable("land_surface_air__pressure", "Pa", 30000.0, 120000.0, "air pressure at the surface"),
    InputVariable("land_surface_wind__x_component_of_velocity", "m s-1", -150.0, 150.0, "eastward wind at 10 m"),
    InputVariable("land_surface_wind__y_component_of_velocity", "m s-1", -150.0, 150.0, "northward wind at 10 m"),
)

#: What Hargreaves needs.
HARGREAVES_INPUTS: Final = (PRECIPITATION, TEMPERATURE)

#: Inputs by the configured method of potential evapotranspiration.
INPUTS: Final = {"penman_monteith": PENMAN_MONTEITH_INPUTS, "hargreaves": HARGREAVES_INPUTS}

#: Variables that are known besides: what precipitation, air temperature and those of Penman–Monteith are called.
_KNOWN: Final = {variable.name: variable for variable in PENMAN_MONTEITH_INPUTS}
_KNOWN_FORCINGS: Final = {"P": PRECIPITATION, "T": TEMPERATURE}

#: The forcing that is computed here, by the configured method.
COMPUTED: Final = "PET"

#: Begins what is said of the main output besides its value, such as ``__std``.
OF_MAIN: Final = "__"

#: Outputs that are no flux or store of the model: sums of routed fluxes, and forcings that are given back.
TOTAL_FLUX: Final = "land_surface_water__runoff_volume_flux"
UNROUTED_FLUX: Final = "land_surface_water__unrouted_runoff_volume_flux"
_POTENTIAL: Final = "land_surface_water__potential_evapotranspiration_volume_flux"


def input_of(model: ProcessModel, forcing: Forcing) -> InputVariable:
    """Give the input that a forcing comes from.

    Raises
    ------
    ConfigError
        If it goes by the name of a known input, in another unit.
    """
    known = _KNOWN_FORCINGS.get(forcing.name) or _KNOWN.get(forcing.bmi_name)
    if known is None:
        low = -FINITE if forcing.least is None else forcing.least
        high = FINITE if forcing.largest is None else forcing.largest
        return InputVariable(forcing.bmi_name, forcing.unit, low, high, forcing.meaning or forcing.name)
    if known is not PRECIPITATION and forcing.unit.replace("°C", "degC") != known.units:
        raise ConfigError(f"{model.name}: forcing {forcing.name} has the unit {forcing.unit!r}; {known.name} is in {known.units}")
    return known


def computes_pet(model: ProcessModel | type[ProcessModel]) -> bool:
    """Whether potential evapotranspiration drives a model, so that the method by which it is computed counts."""
    return any(forcing.name == COMPUTED for forcing in model.forcings)


def inputs_of(model: ProcessModel, pet_method: str) -> tuple[InputVariable, ...]:
    """Give the inputs of a process model, in the order of its forcings, with what potential evapotranspiration is computed from.

    Parameters
    ----------
    model : ProcessModel
        The model.
    pet_method : str
        A key of :data:`INPUTS`.

    Raises
    ------
    ConfigError
        If two forcings come from one input in different units or ranges.
    """
    inputs: dict[str, InputVariable] = {}
    for forcing in model.forcings:
        wanted = INPUTS[pet_method][1:] if forcing.name == COMPUTED else (input_of(model, forcing),)
        for variable in wanted:
            if inputs.setdefault(variable.name, variable) != variable:
                raise ConfigError(f"{model.name}: two forcings come from {variable.name}, with different units, ranges or meanings")
    return tuple(inputs.values())


def outputs_of(model: ProcessModel) -> tuple[OutputVariable, ...]:
    """Give the outputs of a process model: runoff, the outputs it puts first, and all other fluxes and stores in declared order.

    Raises
    ------
    ConfigError
        If two of them, or an output and an input, have one name.
    """
    by_source = {variable.source: variable for variable in _all_outputs(model)}
    order = [*(name for name in model.first_outputs if name in by_source), *(name for name in by_source if name not in model.first_outputs)]
    main, of_main = by_source.get(TOTAL), [name for name in order if name.startswith(f"{TOTAL}{OF_MAIN}")]
    depth = (replace(main, name=RUNOFF_DEPTH, units="m", meaning="runoff of the step; the main output for ngen"),) if main else ()
    spread = [replace(by_source[name], name=RUNOFF_DEPTH + name.removeprefix(TOTAL), units="m") for name in of_main]
    outputs = (*depth, *spread, *(by_source[name] for name in order if name not in of_main))
    inputs = [variable.name for method in INPUTS for variable in inputs_of(model, method)]
    names = [variable.name for variable in outputs]
    twice = sorted({name for name in names if names.count(name) > 1 or name in inputs})
    if twice:
        raise ConfigError(f"process model {model.name}: BMI variables need names of their own; found twice: {', '.join(twice)}")
    return outputs


def quantiles_of(main: OutputVariable, levels: Iterable[float]) -> tuple[OutputVariable, ...]:
    """Give the outputs of calibrated quantiles of the main output, in its units."""
    return tuple(
        replace(
            main,
            name=f"{main.name}{OF_MAIN}{name_of_level(level)}",
            source=f"{main.source}{OF_MAIN}{name_of_level(level)}",
            meaning=f"runoff that is not exceeded with a probability of {100.0 * level:g} %",
        )
        for level in levels
    )


def main_output_of(model: ProcessModel) -> str:
    """Give the main output for ngen: the runoff of the step wherever fluxes are routed, else the first flux or store."""
    return outputs_of(model)[0].name


def budget_columns_of(model: ProcessModel) -> tuple[str, ...]:
    """Give the outputs from which the balance of a model can be drawn up, the main output first, for the tables of a run.

    They are the runoff before and after the routing, what else leaves or is exchanged, the stores that count, and what the model names.
    """
    counted = {flux.name for flux in model.fluxes if flux.balance in ("out", "exchange") and not flux.routed}
    counted |= {store.output for store in model.stores if store.balance}
    counted |= {TOTAL, UNROUTED_TOTAL, *model.tabulated}
    outputs = outputs_of(model)
    main = outputs[0]
    return (main.name, *(one.name for one in outputs if one.source in counted and one.source != main.source))


def _all_outputs(model: ProcessModel) -> Iterator[OutputVariable]:
    """Give the variable of each output of the engine, in its order."""
    routed = [flux for flux in model.fluxes if flux.routed]
    if routed:
        unit = routed[0].unit
        yield OutputVariable.flux(TOTAL_FLUX, unit, TOTAL, "the same as a rate, as NGIAB names it")
        yield OutputVariable.flux(UNROUTED_FLUX, unit, UNROUTED_TOTAL, "runoff before the unit hydrograph")
    for flux in routed:
        yield OutputVariable.flux(flux.routed_bmi_name, flux.unit, flux.routed_name, flux.meaning or flux.routed_name, flux.standard_name)
    for forcing in model.forcings:
        if forcing.name == COMPUTED:
            yield OutputVariable.flux(_POTENTIAL, forcing.unit, forcing.label, "potential evapotranspiration")
    totals = {} if routed else {TOTAL: TOTAL_FLUX, UNROUTED_TOTAL: UNROUTED_FLUX}
    for flux in model.fluxes:
        name = totals.get(flux.name, flux.bmi_name)
        if flux.at_end:
            yield _held(name, flux.unit, flux.name, _meaning_of(flux), flux.standard_name)
        else:
            yield OutputVariable.flux(name, flux.unit, flux.name, _meaning_of(flux), "" if flux.routed else flux.standard_name)
    for store in model.stores:
        yield _held(store.bmi_name, store.unit, store.output, store.meaning or store.output, store.standard_name)


def _held(name: str, unit: str, source: str, meaning: str, standard_name: str) -> OutputVariable:
    """Make the variable of what is held at the end of a step."""
    return OutputVariable(name, "m" if unit == DEPTH else unit, source, meaning, unit, is_store=True, standard_name=standard_name)


def _meaning_of(flux: Flux) -> str:
    return f"{flux.meaning or flux.name}{', before the unit hydrograph' if flux.routed else ''}"


#: Outputs of the family of models that comes with the package: what an object is taken to have before it knows its model.
OUTPUTS: Final = outputs_of(Hbv20())


def raise_unknown(name: str, known: Iterable[str]) -> NoReturn:
    """Raise for a variable that does not exist.

    Raises
    ------
    KeyError
        Naming the known variable nearest to ``name``.
    """
    nearest = difflib.get_close_matches(name, list(known), n=1, cutoff=0.0)
    hint = f"; the nearest known is {nearest[0]!r}" if nearest else ""
    raise KeyError(f"unknown variable {name!r}{hint}")
