"""What the declaration of a process model makes of an hour: inputs, outputs, sums of a day, and their places in a row and in compiled code.

One layout belongs to all catchments of a model. Compiled code reads it from an array of whole numbers, its plan, so that one piece of
machine code serves all models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from bmi_dmg.stepping.row import LINE
from bmi_dmg.variables import COMPUTED, INPUTS, OUTPUTS, TEMPERATURE, InputVariable, OutputVariable, input_of, inputs_of, outputs_of
from dmg_core.models import Forcing, Layout, ProcessModel
from dmg_core.models.layout import TOTAL
from dmg_core.models.process_model import Aggregate

Array = npt.NDArray[np.float64]

#: Places in a plan: numbers of inputs, of forcings and of what a day keeps of its hours; where parts of a row begin; where the potential
#: evapotranspiration is among the forcings, and where what it is computed from is among the inputs (Penman–Monteith) or among what a day
#: keeps (Hargreaves: lowest, highest and sum of the temperature); what enters the balance. :data:`NONE` stands for what there is not.
#: The sources of the forcings and of what a day keeps, and how its hours become one value, follow.
N_INPUTS, N_FORCINGS, N_KEPT, N_ENTERING = range(4)
DAY_AT, CLOCK_AT, INPUTS_AT, ACCEPTED_AT, HOUR_AT, BEFORE_AT = range(4, 10)
PET_AT, LOWEST_AT, HIGHEST_AT, WARMTH_AT = range(10, 14)
PENMAN_AT: Final = 14
PENMAN: Final = 7
SOURCES_AT: Final = PENMAN_AT + PENMAN
NONE: Final = -1

#: How hours become one value, by their codes in a plan.
AGGREGATES: Final[tuple[Aggregate, ...]] = ("sum", "mean", "min", "max")


@dataclass(frozen=True)
class Kept:
    """A number that an unfinished day keeps of its hours.

    Attributes
    ----------
    source : int
        Which of the inputs it is made of; :data:`NONE`: what is computed of them.
    aggregate : str
        How.
    """

    source: int
    aggregate: Aggregate


@dataclass(frozen=True, eq=False)
class HourLayout:
    """Names and places of what a catchment works on from hour to hour.

    Attributes
    ----------
    inputs : tuple of InputVariable
        n inputs.
    outputs : tuple of OutputVariable
        m outputs.
    units : dict of str to str
        Units of all of them, and of inputs that another method of potential evapotranspiration needs.
    forcings : tuple of Forcing
        F forcings of the model.
    kept : tuple of Kept
        What a day keeps: one for each forcing, then what the method of potential evapotranspiration needs. None of an hourly model.
    hours_of_mean : tuple of float
        What the sum of a day's hours is divided by, for each forcing: their number where it is the mean that counts, else 1.
    entering : tuple of int
        Which forcings add their amounts to the balance.
    sources : ndarray of int, shape (m,)
        Places of the outputs among those of the engine.
    factors : ndarray, shape (m,)
        What turns the engine's values into those reported.
    flow : int or None
        Place of the runoff among the engine's outputs, if it counts in the balance.
    rain : int or None
        Place of precipitation among the inputs.
    limits : ndarray, shape (2, n)
        What is possible, low and high.
    day, clock, values, accepted, hour, reported, sums, missing, before : slice
        Places in a row: the unfinished day (what is kept, and the number of hours), hours on BMI's clock, inputs, what was accepted last,
        forcings of the hour, what is reported, sums that outlast a day (runoff of the last day, and what never came into the model of
        each of ``entering``), hours in which inputs were missing, and what an hourly model had accepted before its last hour.
    width : int
        Numbers of a row: whole lines of the cache.
    plan : ndarray of int64
        All that compiled code needs to know.
    input_places, places : dict of str to int
        Places in a row by name: of inputs, and of inputs and outputs.
    output_names : tuple of str
        Names of the outputs.
    """

    inputs: tuple[InputVariable, ...]
    outputs: tuple[OutputVariable, ...]
    units: dict[str, str]
    forcings: tuple[Forcing, ...]
    kept: tuple[Kept, ...]
    hours_of_mean: tuple[float, ...]
    entering: tuple[int, ...]
    sources: npt.NDArray[np.intp]
    factors: Array
    flow: int | None
    rain: int | None
    limits: Array
    day: slice
    clock: slice
    values: slice
    accepted: slice
    hour: slice
    reported: slice
    sums: slice
    missing: slice
    before: slice
    width: int
    plan: npt.NDArray[np.int64]
    input_places: dict[str, int]
    places: dict[str, int]
    output_names: tuple[str, ...]

    @property
    def entering_labels(self) -> tuple[str, ...]:
        """Names in the balance of the forcings that enter it."""
        return tuple(self.forcings[place].label for place in self.entering)


_layouts: dict[tuple[object, ...], HourLayout] = {}


def layout_of(process: ProcessModel, pet_method: str) -> HourLayout:
    """Give the layout of a process model: the same for all catchments of models that are declared alike.

    Parameters
    ----------
    process : ProcessModel
        The model.
    pet_method : str
        How potential evapotranspiration is computed, a key of :data:`bmi_dmg.variables.INPUTS`.

    Raises
    ------
    ConfigError
        If variables of the model share a name.
    """
    key = (type(process), process.forcings, process.fluxes, process.stores, process.first_outputs, process.steps_per_day, pet_method)
    if key not in _layouts:
        _layouts[key] = _make(process, pet_method)
    return _layouts[key]


def _make(process: ProcessModel, pet_method: str) -> HourLayout:
    inputs, outputs, layout = inputs_of(process, pet_method), outputs_of(process), Layout.of(process)
    names = [variable.name for variable in inputs]
    sources = [NONE if one.name == COMPUTED else names.index(input_of(process, one).name) for one in process.forcings]
    daily = process.steps_per_day == 1
    kept = _kept(process.forcings, sources, names, pet_method) if daily else ()
    entering = tuple(k for k, forcing in enumerate(process.forcings) if forcing.enters and forcing.aggregate == "sum")
    n, count = len(inputs), len(process.forcings)
    lengths = {
        "day": len(kept) + 1 if daily else 0,
        "clock": 1,
        "values": n,
        "accepted": n + 1,
        "hour": count,
        "reported": len(outputs),
        "sums": 1 + len(entering) if daily else 0,
        "missing": n,
        "before": 0 if daily else n + 1,
    }
    ends = np.cumsum(list(lengths.values())).tolist()
    parts = {name: slice(end - length, end) for (name, length), end in zip(lengths.items(), ends, strict=True)}
    input_places = {name: parts["values"].start + i for i, name in enumerate(names)}
    by_rain = [i for i, forcing in enumerate(process.forcings) if forcing.name == "P"]
    others = {variable.name: variable.units for method in INPUTS for variable in inputs_of(process, method)}
    return HourLayout(
        inputs=inputs,
        outputs=outputs,
        units={**others, **{one.name: one.units for one in inputs}, **{one.name: one.units for one in outputs}},
        forcings=process.forcings,
        kept=kept,
        hours_of_mean=tuple(24.0 if forcing.aggregate == "mean" else 1.0 for forcing in process.forcings),
        entering=entering,
        sources=np.array([layout.outputs.index(variable.source) for variable in outputs], np.intp),
        factors=np.array([variable.factor(process.steps_per_day) for variable in outputs]),
        flow=layout.outputs.index(TOTAL) if TOTAL in layout.budget else None,
        rain=sources[by_rain[0]] if by_rain else None,
        limits=np.array([[variable.low for variable in inputs], [variable.high for variable in inputs]]).reshape(2, n),
        width=-(-ends[-1] // LINE) * LINE,
        plan=_plan(process.forcings, sources, kept, entering, names, pet_method, parts),
        input_places=input_places,
        output_names=tuple(variable.name for variable in outputs),
        places={**input_places, **{variable.name: parts["reported"].start + i for i, variable in enumerate(outputs)}},
        **parts,
    )


def _kept(forcings: Sequence[Forcing], sources: Sequence[int], names: Sequence[str], pet_method: str) -> tuple[Kept, ...]:
    kept = [Kept(source, forcing.aggregate) for source, forcing in zip(sources, forcings, strict=True)]
    if NONE in sources:
        warmth = names.index(TEMPERATURE.name)
        if pet_method == "hargreaves" and Kept(warmth, "mean") not in kept:
            kept.append(Kept(warmth, "mean"))
        kept += [Kept(warmth, "min"), Kept(warmth, "max")]
    return tuple(kept)


def _plan(
    forcings: Sequence[Forcing],
    sources: Sequence[int],
    kept: Sequence[Kept],
    entering: Sequence[int],
    names: Sequence[str],
    pet_method: str,
    parts: dict[str, slice],
) -> npt.NDArray[np.int64]:
    """Write down for compiled code what is where; see :data:`N_INPUTS`."""
    plan = np.full(SOURCES_AT, NONE, np.int64)
    plan[:PET_AT] = (
        *(len(names), len(forcings), len(kept), len(entering)),
        *(parts[name].start for name in ("day", "clock", "values", "accepted", "hour", "before")),
    )
    if NONE in sources:
        plan[PET_AT] = sources.index(NONE)
        if pet_method == "hargreaves":
            warmth = names.index(TEMPERATURE.name)
            wanted = (Kept(warmth, "min"), Kept(warmth, "max"), Kept(warmth, "mean"))
            plan[LOWEST_AT : WARMTH_AT + 1] = [len(kept) - 1 - list(kept)[::-1].index(one) if one in kept else NONE for one in wanted]
        else:
            plan[PENMAN_AT:SOURCES_AT] = [names.index(variable.name) for variable in INPUTS[pet_method][1:]]
    codes = [AGGREGATES.index(one.aggregate) for one in kept]
    return np.array([*plan.tolist(), *sources, *(one.source for one in kept), *codes, *entering], np.int64)


@cache
def default_layout() -> tuple[dict[str, str], tuple[str, ...]]:
    """Give units and names of outputs of an object that does not know its model yet."""
    inputs = {variable.name: variable.units for variable in INPUTS["penman_monteith"]}
    outputs = {variable.name: variable.units for variable in OUTPUTS}
    return inputs | outputs, tuple(outputs)
