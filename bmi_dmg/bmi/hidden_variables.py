"""The state and the parameters of a catchment as hidden BMI variables.

``state::soil_moisture`` and its like are for data assimilation, ``parFC`` and ``multiplier::parFC`` for calibration through a realization's
``model_params``, ``missing_forcing_hours`` for reports. Those of the members of an ensemble are in :mod:`bmi_dmg.bmi.member_variables`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bmi_dmg.bmi.protocols import HiddenVariable, ReadOnly, Settable
from bmi_dmg.stepping.stepper import Stepper
from dmg_core import Catchment
from dmg_core.engine.state_access import network_parts, read_state, set_state, stores_by_name

#: Prefix of the variables that are the state of a catchment.
STATE: Final = "state::"

#: Prefix of the multipliers on parameters.
MULTIPLIER: Final = "multiplier::"

#: How parameters are named. Other names are taken for parameters if they are as similar to one as this.
_PARAMETER: Final = re.compile(r"par[A-Z0-9]")
_SIMILAR: Final = 0.8

#: Hours in which each input was missing, in the order of the inputs.
MISSING_HOURS: Final = "missing_forcing_hours"


def state_variables(stepper: Stepper) -> dict[str, HiddenVariable]:
    """Give stores (mm) and network state as variables to read and set, and the counts of missing forcing."""
    catchment = stepper.catchment
    variables = dict(states_of_catchment(catchment, STATE))
    variables[MISSING_HOURS] = ReadOnly("h", "float64", lambda: stepper.weather.missing_hours)
    return variables


def states_of_catchment(catchment: Catchment, prefix: str) -> Iterator[tuple[str, HiddenVariable]]:
    """Give stores and network state of a catchment of one model, under names that begin with a prefix."""
    model = catchment.engine.model
    stores, precision = stores_by_name(model.physics.process), model.precision.name
    for name in (*stores, *network_parts(model)):
        units, dtype = (stores[name].unit, "float64") if name in stores else ("1", precision)
        yield prefix + name, Settable(units, dtype, partial(read_state, catchment, name), partial(set_state, catchment, name))


def states_of_members(catchment: Catchment) -> Iterator[tuple[str, HiddenVariable]]:
    """Give stores and network state of each member of an ensemble, its name and a point before theirs."""
    for member, engine in catchment.engine.members.items():
        yield from states_of_catchment(Catchment(engine, catchment.row), f"{STATE}{member}.")


def parameter_variable(catchment: Catchment, name: str) -> HiddenVariable | None:
    """Give a parameter of a catchment, or the multiplier on it, as a variable to set; None if the model has no such parameter.

    Reading gives what was set; 0 for a parameter and 1 for a multiplier that was not.
    """
    engine, row = catchment.engine, catchment.row
    calibration = engine.calibration
    parameter = calibration.parameters.get(name.removeprefix(MULTIPLIER))
    if parameter is None:
        return None
    is_multiplier = name.startswith(MULTIPLIER)
    change = calibration.multiply if is_multiplier else calibration.set_value

    def read() -> npt.NDArray[Any]:
        setting = calibration.setting_of(row, parameter.name)
        return np.array([setting.multiplier if is_multiplier else setting.value or 0.0])

    def write(values: npt.NDArray[Any]) -> None:
        if values.size != 1:
            raise ValueError(f"{name}: cannot be set to {values.tolist()}, expected one number")
        with engine.lock:  # the arrays are others when they have grown
            change(engine.arrays, row, parameter.name, float(values.reshape(-1)[0]))

    return Settable("1" if is_multiplier else parameter.unit, "float64", read, write)


def no_such(catchment: Catchment, name: str) -> str | None:
    """Say that a model has no parameter, multiplier or part of the state of a name, and which there are; nothing for other names."""
    parameters = list(catchment.engine.calibration.parameters)
    if name.startswith(MULTIPLIER):
        kind, known = "multipliers", [MULTIPLIER + parameter for parameter in parameters]
    elif name.startswith(STATE):
        states = (*states_of_catchment(catchment, STATE), *states_of_members(catchment))
        kind, known = "variables of the state", [state for state, _ in states]
    elif _PARAMETER.match(name) or _nearest(name, parameters, _SIMILAR):
        kind, known = f"{catchment.engine.model.physics.process.family} parameters", parameters
    else:
        return None
    if name in known:
        return None
    nearest = _nearest(name, known, 0.6)
    hint = f"did you mean {nearest[0]!r}? " if nearest else ""
    return f"catchment {catchment.id}: unknown variable {name!r}; {hint}the {kind} of this model are {', '.join(known) or 'none'}"


def _nearest(name: str, known: Sequence[str], similar: float) -> list[str]:
    """Give the names that are like one, however its letters are written, the nearest first."""
    by_folded = {other.lower(): other for other in known}
    return [by_folded[other] for other in difflib.get_close_matches(name.lower(), by_folded, cutoff=similar)]
