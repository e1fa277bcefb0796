"""How well a model does where it has not learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from dmg_core.data.samples import columns_of, side_by_side
from dmg_core.learning.data.lessons import Lessons
from dmg_core.learning.data.sampler import Batch
from dmg_core.learning.loop.faults import require_finite_flow
from dmg_core.learning.loop.ranks import Ranks
from dmg_core.metrics import kge, nse
from dmg_core.model import DeltaModel
from dmg_core.multi_scale import GaugeModel


@dataclass(frozen=True)
class Validation:
    """Scores over all basins, or groups of samples; NaN where none has one.

    Attributes
    ----------
    median_nse, low_nse : float
        Median and 10th percentile.
    median_kge : float
        Median.
    """

    median_nse: float
    low_nse: float
    median_kge: float


def validate(model: DeltaModel | GaugeModel, material: Lessons, warm_up: int, ranks: Ranks) -> Validation:
    """Run the validation period in one go, with days before it, and score it.

    Parameters
    ----------
    model : DeltaModel or GaugeModel
        As it is; it is put into the state for use and back.
    material : Lessons
        The data.
    warm_up : int
        Days before the first one that is scored, as far as the data have them.
    ranks : Ranks
        The processes that share the work.

    Raises
    ------
    TrainingError
        If a simulated flow is no number; basins and dates are named.
    """
    judged = np.isfinite(material.judged).any(axis=0)
    groups = [members for columns in columns_of(material.groups).values() if len(members := columns[judged[columns]])]
    scores = np.full((2, len(groups)), 0.0)
    training = model.training
    model.eval()
    mine = ranks.share(np.arange(len(groups)))
    if len(mine):
        scores[:, mine] = _score(model, material, [groups[each] for each in mine], warm_up)
    model.train(training)
    nses, kges = ranks.total(torch.from_numpy(scores)).numpy()
    if not np.isfinite(nses).any():
        return Validation(np.nan, np.nan, np.nan)
    return Validation(float(np.nanmedian(nses)), float(np.nanpercentile(nses, 10)), float(np.nanmedian(kges)))


def _score(model: DeltaModel | GaugeModel, material: Lessons, groups: Sequence[NDArray[np.intp]], warm_up: int) -> NDArray[np.float64]:
    """Give NSE and KGE of groups of basins, shape (2, G)."""
    first, last = material.validation_days
    simulated = np.full((last + 1 - first, len(material.ids)), np.nan)
    for block in material.blocks(np.concatenate(groups)):
        simulated[:, block] = _simulate(model, material, block, warm_up)
    observed = material.judged[first : last + 1]
    pair = side_by_side(simulated, groups), side_by_side(observed, groups)
    return np.stack([np.atleast_1d(nse(*pair)), np.atleast_1d(kge(*pair))])


def _simulate(model: DeltaModel | GaugeModel, material: Lessons, basins: NDArray[np.intp], warm_up: int) -> NDArray[np.float64]:
    """Run basins through the validation period, shape (D, b)."""
    first, last = material.validation_days
    before = min(warm_up, first)
    with torch.no_grad():
        simulated = material.run(model, model.settings.target, slice(first - before, last + 1), basins, warm_up=before)
    require_finite_flow(simulated, material, Batch(basins, np.full(len(basins), first - before)), before)
    return np.asarray(simulated.double().numpy())
