"""The state and the parameters of a catchment as unpublished BMI variables.

``state::soil_moisture`` and its like are for data assimilation, ``parFC`` and ``multiplier::parFC`` for calibration through a realization's
``model_params``, ``missing_forcing_hours`` for reports.
"""

from __future__ import annotations

import difflib
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bmi_dmg.protocols import ReadOnly, Settable, Unpublished
from bmi_dmg.stepper import Stepper
from dmg_core import Catchment
from dmg_core.assimilation import network_parts, read_state, set_state, stores_by_name
from dmg_core.calibration import FACTOR, OFFSET

#: Prefix of the variables that are the state of a catchment.
STATE: Final = "state::"

#: Prefix of the multipliers on parameters.
MULTIPLIER: Final = "multiplier::"

#: Hours in which each input was missing, in the order of the inputs.
MISSING_HOURS: Final = "missing_forcing_hours"


def state_variables(stepper: Stepper) -> dict[str, Unpublished]:
    """Give stores (mm) and network state as variables to read and set, and the counts of missing forcing."""
    catchment = stepper.catchment
    variables: dict[str, Unpublished] = {}
    model = catchment.engine.model
    stores, precision = stores_by_name(model.physics.process), str(model.dtype).removeprefix("torch.")
    for name in (*stores, *network_parts(model)):
        units, dtype = (stores[name].unit, "float64") if name in stores else ("1", precision)
        variables[STATE + name] = Settable(units, dtype, partial(read_state, catchment, name), partial(set_state, catchment, name))
    variables[MISSING_HOURS] = ReadOnly("h", "float64", lambda: stepper.weather.missing_hours)
    return variables


def raise_no_such(stepper: Stepper, name: str) -> None:
    """Raise for a parameter, a multiplier or a part of the state that a model does not have; do nothing for other names.

    Raises
    ------
    KeyError
        Naming those that there are.
    """
    engine = stepper.catchment.engine
    parameters = list(engine.calibration.parameters)
    families = {
        STATE: (
            "variables of the state",
            [STATE + part for part in (*stores_by_name(engine.model.physics.process), *network_parts(engine.model))],
        ),
        MULTIPLIER: ("multipliers", [MULTIPLIER + parameter for parameter in parameters]),
        "par": ("HBV parameters", parameters),
    }
    for prefix, (kind, known) in families.items():
        if name.startswith(prefix) and name not in known:
            same_letters = [one for one in known if one.lower() == name.lower()]
            nearest = same_letters or difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {nearest[0]!r}? " if nearest else ""
            raise KeyError(f"unknown variable {name!r}; {hint}the {kind} of this model are {', '.join(known)}")


def parameter_variable(catchment: Catchment, name: str) -> Unpublished | None:
    """Give an HBV parameter of a catchment, or the multiplier on it, as a variable to set; None if the model has no such parameter.

    Reading gives what was set; 0 for a parameter and 1 for a multiplier that was not.
    """
    calibration, arrays, row = catchment.engine.calibration, catchment.engine.arrays, catchment.row
    parameter = calibration.parameters.get(name.removeprefix(MULTIPLIER))
    if parameter is None:
        return None
    is_multiplier = name.startswith(MULTIPLIER)
    change = calibration.multiply if is_multiplier else calibration.set_value

    def read() -> npt.NDArray[Any]:
        return np.array([calibration.change_of(row, parameter.name)[FACTOR if is_multiplier else OFFSET]])

    def write(values: npt.NDArray[Any]) -> None:
        if values.size != 1:
            raise ValueError(f"{name}: cannot be set to {values.tolist()}, expected one number")
        change(arrays, row, parameter.name, float(values.reshape(-1)[0]))

    return Settable("1" if is_multiplier else parameter.unit, "float64", read, write)
