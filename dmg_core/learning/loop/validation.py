"""How well a model does where it has not learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dmg_core.data.samples import columns_of, side_by_side
from dmg_core.learning.data.lessons import Lessons
from dmg_core.learning.loop.faults import require_finite_flow
from dmg_core.learning.loop.ranks import Ranks
from dmg_core.metrics import kge, nse


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
    return Validation(_percentile(nses, 50), _percentile(nses, 10), _percentile(kges, 50))


def _percentile(scores: NDArray[np.float64], share: float) -> float:
    """Percentile of the scores that are known; NaN if none is, such as the KGE of flow that never varies."""
    return float(np.nanpercentile(scores, share)) if np.isfinite(scores).any() else np.nan


def _score(model: nn.Module, material: Lessons, groups: Sequence[NDArray[np.intp]], warm_up: int) -> NDArray[np.float64]:
    """Give NSE and KGE of groups of basins, shape (2, G)."""
    first, last = material.validation_days
    simulated = np.full((last + 1 - first, len(material.ids)), np.nan)
    for block in material.blocks(np.concatenate(groups)):
        _simulate(model, material, block, warm_up, simulated)
    observed = np.where(np.isfinite(simulated), material.judged[first : last + 1], np.nan)
    pair = side_by_side(simulated, groups), side_by_side(observed, groups)
    return np.stack([np.atleast_1d(nse(*pair)), np.atleast_1d(kge(*pair))])


def _simulate(model: nn.Module, material: Lessons, basins: NDArray[np.intp], warm_up: int, simulated: NDArray[np.float64]) -> None:
    """Run basins through the validation period, and write their flow into its days (D, B); those that are not run stay."""
    first, last = material.validation_days
    with torch.no_grad():
        for part in material.judge(model, basins, warm_up):
            require_finite_flow(part.simulated, material, part.window, part.warm_up)
            begin = int(part.window.starts[0]) + part.warm_up - first
            skipped = max(-begin, 0)  # a window of hours may begin before the period, and end after it
            flow = part.simulated.double().cpu().numpy()[skipped : last + 1 - first - begin]
            simulated[begin + skipped : begin + skipped + len(flow), basins] = flow
