"""Quantiles of the main output as outputs of their own, of models with a calibrated spread.

They follow from what is reported, so they have no state, cost nothing where nobody asks for them, and are valid for the same day as
the main output. Those of a day are computed once, however many are asked for, hour after hour.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from bmi_dmg.stepping.layout import HourLayout
from bmi_dmg.stepping.stepper import Stepper
from bmi_dmg.variables import OutputVariable, quantiles_of
from dmg_core import Engine
from dmg_core.spread import Place, Spread

Array = npt.NDArray[np.float64]


class QuantileOutputs:
    """The quantiles that a model with a calibrated spread gives.

    Parameters
    ----------
    spread : Spread
        Of the model.
    layout : HourLayout
        Its other outputs, the main one first.

    Attributes
    ----------
    variables : tuple of OutputVariable
        L quantiles, in the units of the main output.
    units : dict of str to str
        Units of all variables of the model.
    output_names : tuple of str
        Names of all outputs, those of the layout first.
    places : dict of str to int
        Which quantile goes by which name.
    """

    def __init__(self, spread: Spread, layout: HourLayout) -> None:
        self.spread = spread
        self.variables = quantiles_of(layout.outputs[0], spread.levels)
        self.units = {**layout.units, **{variable.name: variable.units for variable in self.variables}}
        self.output_names = (*layout.output_names, *(variable.name for variable in self.variables))
        self.places = {variable.name: place for place, variable in enumerate(self.variables)}
        sources = [variable.source for variable in layout.outputs]
        #: Among what is reported: the main output, then what else tells of the spread.
        self.needed = (0, *(sources.index(name) for name in spread.predictors))
        self._factors = layout.factors[list(self.needed)]

    def of_reported(self, reported: Sequence[Array], place: Place) -> Array:
        """Give quantiles (..., L) in the units of the main output, from reported values (...) of what is :attr:`needed`."""
        flow, *others = (values / factor for values, factor in zip(reported, self._factors, strict=True))
        quantiles = self.spread.of_flow(flow, place, dict(zip(self.spread.predictors, others, strict=True)))
        return np.asarray(quantiles * self._factors[0])

    def place_of(self, stepper: Stepper) -> Place:
        """Say what the attributes of a catchment tell."""
        return self.spread.place(stepper.catchment.attributes)


_known: Final[WeakKeyDictionary[Engine, QuantileOutputs]] = WeakKeyDictionary()


def quantile_outputs(stepper: Stepper) -> QuantileOutputs | None:
    """Give the quantiles of a catchment's model, one object for all its catchments; None where no spread is calibrated."""
    engine = stepper.catchment.engine
    if engine.spread is None:
        return None
    outputs = _known.get(engine)
    if outputs is None:
        outputs = _known[engine] = QuantileOutputs(engine.spread, stepper.layout)
    return outputs


def outputs_with_quantiles(stepper: Stepper) -> tuple[OutputVariable, ...]:
    """Give all outputs of a catchment."""
    quantiles = quantile_outputs(stepper)
    return stepper.layout.outputs if quantiles is None else (*stepper.layout.outputs, *quantiles.variables)


class CatchmentQuantiles:
    """Quantiles of one catchment, computed when they are read and what is reported has changed.

    Parameters
    ----------
    stepper : Stepper
        The catchment.
    outputs : QuantileOutputs
        Of its model.
    """

    __slots__ = ("_outputs", "_place", "_reported", "_seen", "_values")

    def __init__(self, stepper: Stepper, outputs: QuantileOutputs) -> None:
        self._reported, self._outputs = stepper.reported, outputs
        self._place = outputs.place_of(stepper)
        self._seen: list[float] | None = None
        self._values = np.empty(0)

    def value(self, place: int) -> float:
        """Give one of the quantiles."""
        now = [float(self._reported[needed]) for needed in self._outputs.needed]
        if now != self._seen:
            self._values = self._outputs.of_reported([np.array([value]) for value in now], self._place)[0]
            self._seen = now
        return float(self._values[place])
