"""An analysis put into an engine, whose catchments go on from it: in its budget, its states and its restarts."""

from __future__ import annotations

from collections.abc import Sequence

from dmg_core.assimilation.analysis import Analysis
from dmg_core.engine.arrays import INCREMENTS, budget_columns
from dmg_core.engine.engine import Catchment
from dmg_core.engine.state_access import set_state, stores_by_name


def start_from(catchments: Sequence[Catchment], analysis: Analysis) -> None:
    """Let catchments that stand at the beginning of their windows start from an analysis.

    What is put into stores and water in transit, or taken out, counts in their budget as increments. Factors of precipitation are in the
    forcing of the analysis, with which the window is run.

    Parameters
    ----------
    catchments : sequence of Catchment
        One for each window of the analysis, in its order.
    analysis : Analysis
        Of windows that begin where the catchments stand.

    Raises
    ------
    ValueError
        If there are not as many catchments as windows, or a store cannot be set; catchment and store are named.
    """
    if len(catchments) != len(analysis.outcome):
        raise ValueError(f"{len(catchments)} catchments for an analysis of {len(analysis.outcome)} windows")
    for window, catchment in enumerate(catchments):
        if not analysis.taken[window]:
            continue
        for place, name in enumerate(stores_by_name(catchment.engine.model.physics.process)):
            set_state(catchment, name, analysis.start.stores[window, :, place])
        _scale_transit(catchment, float(analysis.transit_factor[window]))


def _scale_transit(catchment: Catchment, factor: float) -> None:
    engine, row = catchment.engine, catchment.row
    with engine.lock:
        present = engine.arrays.in_transit[row]
        engine.arrays.budget[row, budget_columns(engine.model).index(INCREMENTS)] += float((factor - 1.0) * present.sum())
        present *= factor
