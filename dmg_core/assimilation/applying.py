"""An analysis put into an engine, whose catchments go on from it: in its budget, its states and its restarts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dmg_core.assimilation.windows import Array, Run
from dmg_core.engine.arrays import INCREMENTS, budget_columns
from dmg_core.engine.engine import Catchment
from dmg_core.engine.state_access import set_state, stores_by_name


def go_on_from(catchments: Sequence[Catchment], run: Run) -> None:
    """Let catchments that stand at the end of their windows go on from where analysed windows end.

    What is put into stores and water in transit, or taken out, counts in their budget as increments. The network stays as it is: an
    analysis does not change what it has read. Flow in transit is changed by arrival, all kinds of flow alike.

    Parameters
    ----------
    catchments : sequence of Catchment
        One for each window, in its order.
    run : Run
        Through the windows from the start of their analysis (:meth:`~dmg_core.assimilation.windows.Windows.run`).

    Raises
    ------
    ValueError
        If there are not as many catchments as windows, or a store cannot be set; catchment and store are named.
    """
    if len(catchments) != len(run.stores):
        raise ValueError(f"{len(catchments)} catchments for an analysis of {len(run.stores)} windows")
    for window, catchment in enumerate(catchments):
        for place, name in enumerate(stores_by_name(catchment.engine.model.physics.process)):
            set_state(catchment, name, run.stores[window, :, place])
        _set_transit(catchment, run.in_transit[window])


def _set_transit(catchment: Catchment, total: Array) -> None:
    """Let what is on its way be ``total`` (L - 1,), shared out among the kinds of flow (R, L - 1) as they are now."""
    engine, row = catchment.engine, catchment.row
    with engine.lock:
        present = engine.arrays.in_transit[row]
        before = present.sum(0)
        shares = np.where(before > 0.0, present / np.where(before > 0.0, before, 1.0), 1.0 / max(len(present), 1))
        engine.arrays.budget[row, budget_columns(engine.model).index(INCREMENTS)] += float(total.sum() - before.sum())
        present[...] = shares * total
