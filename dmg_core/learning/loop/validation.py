"""How well a model does where it has not learned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from dmg_core.learning.data.lessons import Lessons
from dmg_core.learning.data.sampler import Batch
from dmg_core.learning.loop.faults import require_finite_flow
from dmg_core.learning.loop.ranks import Ranks
from dmg_core.metrics import kge, nse
from dmg_core.model import DeltaModel
from dmg_core.multi_scale import GaugeModel


@dataclass(frozen=True)
class Validation:
    """Scores over all basins; NaN where no basin has one.

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
    basins = np.flatnonzero(np.isfinite(material.judged).any(axis=0))
    scores = np.full((2, len(material.ids)), 0.0)
    training = model.training
    model.eval()
    for block in material.blocks(ranks.share(basins)):
        scores[:, block] = _score(model, material, block, warm_up)
    model.train(training)
    nses, kges = ranks.total(torch.from_numpy(scores)).numpy()[:, basins]
    if not np.isfinite(nses).any():
        return Validation(np.nan, np.nan, np.nan)
    return Validation(float(np.nanmedian(nses)), float(np.nanpercentile(nses, 10)), float(np.nanmedian(kges)))


def _score(model: DeltaModel | GaugeModel, material: Lessons, basins: NDArray[np.intp], warm_up: int) -> NDArray[np.float64]:
    first, last = material.validation_days
    before = min(warm_up, first)
    with torch.no_grad():
        simulated = material.run(model, model.settings.target, slice(first - before, last + 1), basins, warm_up=before)
    require_finite_flow(simulated, material, Batch(basins, np.full(len(basins), first - before)), before)
    flow = simulated.double().numpy()
    observed = material.judged[first : last + 1, basins]
    return np.stack([np.atleast_1d(nse(flow, observed)), np.atleast_1d(kge(flow, observed))])
