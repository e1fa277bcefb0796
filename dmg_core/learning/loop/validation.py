"""How well a model does where it has not learned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dmg_core.learning.data.lessons import Lessons
from dmg_core.learning.loop.faults import require_finite_flow
from dmg_core.learning.loop.ranks import Ranks
from dmg_core.metrics import kge, nse


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


def validate(model: nn.Module, material: Lessons, warm_up: int, ranks: Ranks) -> Validation:
    """Run the validation period, with what comes before it, and score it.

    Parameters
    ----------
    model : Module
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
    return Validation(_percentile(nses, 50), _percentile(nses, 10), _percentile(kges, 50))


def _percentile(scores: NDArray[np.float64], share: float) -> float:
    """Percentile of the scores that are known; NaN if none is, such as the KGE of flow that never varies."""
    return float(np.nanpercentile(scores, share)) if np.isfinite(scores).any() else np.nan


def _score(model: nn.Module, material: Lessons, basins: NDArray[np.intp], warm_up: int) -> NDArray[np.float64]:
    simulated, observed = [], []
    with torch.no_grad():
        for part in material.judge(model, basins, warm_up):
            require_finite_flow(part.simulated, material, part.window, part.warm_up)
            simulated.append(part.simulated.double().numpy())
            observed.append(part.observed)
    if not observed:  # flow in the first hours alone, before which there is no weather
        return np.full((2, len(basins)), np.nan)
    flows = np.concatenate(simulated), np.concatenate(observed)
    return np.stack([np.atleast_1d(score(*flows)) for score in (nse, kge)])
