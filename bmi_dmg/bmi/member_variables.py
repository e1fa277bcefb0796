"""Hidden variables of the members of an ensemble: their outputs, states and budgets. There are many, and few are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt

from bmi_dmg.bmi.hidden_variables import STATE, states_of_members
from bmi_dmg.bmi.mass_balance import BUDGET, budget_of, budget_terms
from bmi_dmg.bmi.protocols import Computed, HiddenVariable, ReadOnly
from bmi_dmg.stepping.stepper import Stepper
from bmi_dmg.variables import outputs_of
from dmg_core import Catchment
from dmg_core.errors import ConfigError

#: Prefix of the variables that give an output of each member.
MEMBERS: Final = "members::"


def member_variable(stepper: Stepper, name: str) -> HiddenVariable | None:
    """Make a variable of the members of an ensemble; None for a model without members, and where there is none of that name.

    ``members::`` and the name of an output gives a value for each member in their order, NaN for one without that output;
    ``state::lstm.network_hidden`` and ``budget::lstm.precipitation`` are state and budget of one member.

    Raises
    ------
    ConfigError
        If members have an output in different units.
    """
    if not stepper.catchment.engine.members:
        return None
    if name.startswith(MEMBERS):
        return _output(stepper, name.removeprefix(MEMBERS))
    if name.startswith(STATE):
        return dict(states_of_members(stepper.catchment)).get(name)
    term = name.removeprefix(BUDGET)
    if name.startswith(BUDGET) and term in budget_terms(stepper):
        return Computed("mm", lambda: budget_of(stepper)[term])
    return None


def _output(stepper: Stepper, name: str) -> HiddenVariable | None:
    engine = stepper.catchment.engine
    found = {}
    for member, each in engine.members.items():
        process = each.model.physics.process
        one = next((output for output in outputs_of(process) if output.name == name), None)
        if one is not None:
            found[member] = one.units, each.outputs.index(one.source), one.factor(process.steps_per_day)
    if not found:
        return None
    units = shared_unit(name, {member: units for member, (units, _, _) in found.items()})
    places = {member: (place, factor) for member, (_, place, factor) in found.items()}
    return ReadOnly(units, "float64", partial(_read, stepper.catchment, places))


def shared_unit(name: str, units: Mapping[str, str]) -> str:
    """Give the unit that an output has in all members that have it.

    Parameters
    ----------
    name : str
        The output.
    units : mapping of str to str
        Its unit by member.

    Raises
    ------
    ConfigError
        If they differ: there is no array of both.
    """
    if len(set(units.values())) > 1:
        told = ", ".join(f"{unit} in {member}" for member, unit in units.items())
        raise ConfigError(f"{MEMBERS}{name}: the members have it in different units ({told}); expected the same in all")
    return next(iter(units.values()))


def _read(catchment: Catchment, places: dict[str, tuple[int, float]]) -> npt.NDArray[np.float64]:
    engine, row = catchment.engine, catchment.row
    with engine.lock:
        last = {member: values[row] for member, values in engine.last_of_members.items()}
        given = [last[member][places[member][0]] * places[member][1] if member in places else np.nan for member in last]
    return np.array(given)
