"""Analysed states of a run folder's catchments, in the form that runs start from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.bmi.restart import states_of
from bmi_dmg.stepping.stepper import Stepper
from bmi_dmg.warm_states.one_engine import as_config_error
from dmg_core.assimilation.applying import go_on_from
from dmg_core.assimilation.forecasts import Span, analysed
from dmg_core.assimilation.gauged_run import GaugedRun
from dmg_core.assimilation.windows import Run


def write_states(
    path: Path,
    steppers: Sequence[Stepper],
    runs: Sequence[GaugedRun],
    step: int,
    span: Span,
    before: Mapping[str, Mapping[str, NDArray[Any]]],
    time: datetime,
) -> None:
    """Analyse the windows that end with a step, and write the states of all catchments after it.

    What is put into stores counts in the budgets of the states as increments. Catchments below no gauge stay as they were.

    Parameters
    ----------
    path : Path
        The file.
    steppers : sequence of Stepper
        All catchments; left in the analysed state.
    runs : sequence of GaugedRun
        What is analysed.
    step : int
        Last step of the windows.
    span : Span
        How.
    before : mapping of str to captured state
        Of each catchment after that step, without assimilation.
    time : datetime
        End of the step.
    """
    for stepper in steppers:
        state = before[stepper.catchment_id]
        stepper.restore(state, str(path))
        stepper.set_clock(time, int(state["hours"][0]))
    by_id = {stepper.catchment_id: stepper for stepper in steppers}
    for catchments, run in analysed_ends(runs, step, span):
        go_on_from([by_id[catchment].catchment for catchment in catchments], run)
    with as_config_error(f"{path.parent}: the states cannot be written there"):
        path.parent.mkdir(parents=True, exist_ok=True)
    after = {stepper.catchment_id: (time, stepper.capture()) for stepper in steppers}
    states_of(steppers[0].catchment.engine.identity, after).write(path)


def analysed_ends(runs: Sequence[GaugedRun], step: int, span: Span) -> list[tuple[list[str], Run]]:
    """Give what catchments hold at the end of their analysed windows.

    A catchment above several gauges takes what the gauge says that has the fewest catchments above it: it knows most of each.
    """
    best: dict[str, tuple[int, int, int]] = {}  # catchment: units of the gauge, number of the run, row
    ends = []
    for number, run in enumerate(runs):
        _, analysis, at_end = analysed(run, np.array([step]), span)
        ends.append(at_end)
        counts = run.units_of_gauges
        sizes, taken = np.repeat(counts, counts), np.repeat(analysis.taken, counts)
        units = [run.loop.ids[place] for place in run.members]
        for row, (catchment, size, good) in enumerate(zip(units, sizes.tolist(), taken.tolist(), strict=True)):
            if good and (catchment not in best or size < best[catchment][0]):
                best[catchment] = (size, number, row)
    chosen = []
    for number, at_end in enumerate(ends):
        rows = {catchment: row for catchment, (_, which, row) in best.items() if which == number}
        places = list(rows.values())
        if places:
            chosen.append((list(rows), Run(at_end.flow[:, :0], at_end.stores[places], at_end.in_transit[places])))
    return chosen
