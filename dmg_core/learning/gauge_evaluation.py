"""How well a model that was learned at gauges does at all gauges of its data, those that were kept away among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dmg_core.data.basins import days_of
from dmg_core.data.gauge_flow import read_gauge_flow
from dmg_core.errors import ConfigError
from dmg_core.learning.data.gauge_material import load_inputs
from dmg_core.learning.evaluation import Scored
from dmg_core.learning.finite_flow import require_finite
from dmg_core.learning.loop.run_folder import load_trained
from dmg_core.learning.settings.data import UnitDataSettings
from dmg_core.learning.settings.experiment import Period
from dmg_core.learning.settings.experiment_file import EXPERIMENT_NAME, read_experiment
from dmg_core.learning.settings.start import MODEL_NAME
from dmg_core.metrics import METRICS
from dmg_core.multi_scale import GaugeModel, read_channels

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class GaugeEvaluation(Scored):
    """What a model does at G gauges in a period of D days.

    Attributes
    ----------
    ids : tuple of str
        The gauges.
    dates : ndarray of datetime64, shape (D,)
        The days.
    simulated, observed : ndarray, shape (D, G)
        mm/d over the areas of the units above; NaN where it was not observed.
    scores : dict of str to ndarray (G,)
        By the names of :data:`dmg_core.metrics.METRICS`; NaN where there is no observed flow.
    """

    ids: tuple[str, ...]
    dates: NDArray[np.datetime64]
    simulated: FloatArray
    observed: FloatArray
    scores: Mapping[str, FloatArray]


def evaluate_at_gauges(
    folder: Path, period: tuple[str, str] | Period, *, warm_up: int = 365, changes: Mapping[str, Any] | None = None
) -> GaugeEvaluation:
    """Run the model of a training at gauges through a period, with days before it, and score it at all gauges of its data.

    Parameters
    ----------
    folder : Path
        The training.
    period : (str or datetime64, str or datetime64)
        First and last day that count.
    warm_up : int
        Days before them, as far as the weather has them, that only fill stores and channels.
    changes : mapping of str to object, optional
        Other data by key path, such as ``{"data.forcing": path}``; by default those of the training.

    Raises
    ------
    DmgError
        If it is no such training, or data are missing or wrong.
    """
    if not (folder / EXPERIMENT_NAME).is_file():
        raise ConfigError(f"{folder}: no {EXPERIMENT_NAME} of a training at gauges; to evaluate on basins, say where they are (--data)")
    experiment = read_experiment(folder / EXPERIMENT_NAME, changes)
    experiment.import_plugins()
    if not isinstance(experiment.data, UnitDataSettings):
        raise ConfigError(f"{folder}: the model was trained on basins, not at gauges; say where basins are (--data)")
    inputs = load_inputs(experiment)
    channels = None if experiment.channels is None else read_channels(folder / MODEL_NAME)
    model = GaugeModel(load_trained(folder), channels).eval()
    gauges, dates = inputs.membership.gauges, inputs.forcing.dates
    days = days_of(dates, *period)
    before = min(warm_up, days.start)
    parts = []
    for block in inputs.blocks(np.arange(len(gauges))):
        with torch.no_grad():
            parts.append(inputs.run(model, model.settings.target, slice(days.start - before, days.stop), block, warm_up=before))
    simulated = torch.cat(parts, dim=1).double().numpy()
    require_finite(simulated, model.settings.physics, gauges, dates[days])
    observed = read_gauge_flow(experiment.data.flow, gauges, inputs.membership.gauge_areas, dates[days])
    scores = {name: np.asarray(metric(simulated, observed), np.float64) for name, metric in METRICS.items()}
    return GaugeEvaluation(gauges, dates[days], simulated, observed, scores)
