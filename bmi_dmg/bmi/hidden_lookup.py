"""Which hidden variable goes by which name in one object of the BMI.

There are many, and few are asked for: those of protocols, budget and state are there from the beginning; quantiles, members and parameters
are made when somebody names them.
"""

from __future__ import annotations

from functools import partial

from bmi_dmg.bmi.hidden_variables import parameter_variable, state_variables
from bmi_dmg.bmi.mass_balance import BUDGET, MassBalance
from bmi_dmg.bmi.member_variables import member_variable
from bmi_dmg.bmi.protocols import Computed, HiddenVariable, Serialization
from bmi_dmg.bmi.quantiles import CatchmentQuantiles, quantile_outputs
from bmi_dmg.stepping.stepper import Stepper


class HiddenLookup:
    """Finds hidden variables by name.

    Parameters
    ----------
    serialization : Serialization
        How states are saved and restored; with the mass balance it is there before a catchment is.
    """

    __slots__ = ("_found", "_is_complete", "_mass_balance", "_protocols", "_stepper")

    def __init__(self, serialization: Serialization) -> None:
        self._mass_balance = MassBalance()
        self._protocols: dict[str, HiddenVariable] = {**self._mass_balance.variables(), **serialization.variables()}
        self._found, self._is_complete = self._protocols, True
        self._stepper: Stepper | None = None

    def watch(self, stepper: Stepper | None) -> None:
        """Give the variables of this catchment from now on, or of none."""
        self._stepper = stepper
        self._mass_balance.watch(stepper)
        self._found, self._is_complete = self._protocols, stepper is None

    def find(self, name: str) -> HiddenVariable | None:
        """Give the variable of that name; None if there is none."""
        found = self._found.get(name)
        if found is not None or self._stepper is None:
            return found
        if not self._is_complete:  # made when first asked for: most are never
            self._found = {**self._protocols, **self._mass_balance.terms(), **state_variables(self._stepper)}
            self._is_complete = True
            if name in self._found:
                return self._found[name]
        return self._quantile(self._stepper, name) or self._of_members(self._stepper, name) or self._parameter(self._stepper, name)

    def _quantile(self, stepper: Stepper, name: str) -> HiddenVariable | None:
        """Quantile of the main output: all of a catchment are made at once."""
        outputs = quantile_outputs(stepper)
        if outputs is None or name not in outputs.places:
            return None
        quantiles = CatchmentQuantiles(stepper, outputs)
        self._found.update({one.name: Computed(one.units, partial(quantiles.value, place)) for place, one in enumerate(outputs.variables)})
        return self._found[name]

    def _of_members(self, stepper: Stepper, name: str) -> HiddenVariable | None:
        """Variable of the members of an ensemble; budgets, which are read once at the end of a run, are not kept."""
        variable = member_variable(stepper, name)
        if variable is not None and not name.startswith(BUDGET):
            self._found[name] = variable
        return variable

    def _parameter(self, stepper: Stepper, name: str) -> HiddenVariable | None:
        """Parameter, or its multiplier."""
        variable = parameter_variable(stepper.catchment, name)
        if variable is not None:
            self._found[name] = variable
        return variable
