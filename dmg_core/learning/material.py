"""What a training works with: series and attributes of its basins, flow to learn from, flow to validate on."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from dmg_core.data import READERS, BasinData, Split
from dmg_core.errors import AttributeTableError, ConfigError
from dmg_core.learning.components import require_options
from dmg_core.learning.experiment import Experiment, basins_of
from dmg_core.learning.inputs import Inputs, tensors_of
from dmg_core.learning.new_model import model_settings
from dmg_core.learning.splitting import split_experiment
from dmg_core.learning.statistics import Row, training_statistics
from dmg_core.models import PROCESS_MODELS

_log = logging.getLogger(__name__)

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Material(Inputs):
    """Data of an experiment: B basins, of which the first L are learned from; their tensors are those of :class:`Inputs`.

    Attributes
    ----------
    ids : tuple of str
        The B gauges.
    dates : ndarray of datetime64, shape (T,)
        All days that are needed.
    learned : ndarray, shape (T, L)
        Flow learned from, mm/d; NaN elsewhere.
    judged : ndarray, shape (T, B)
        Flow validated on, mm/d; NaN elsewhere.
    statistics : dict of str to (p10, p90, mean, std, min, max)
        Of the inputs, over what is learned from.
    split : Split
        What is learned from, validated on and kept for tests, of all basins of the data.
    pet_method : str or None
        How potential evapotranspiration was computed, if known.
    """

    ids: tuple[str, ...]
    dates: NDArray[np.datetime64]
    learned: FloatArray
    judged: FloatArray
    statistics: dict[str, Row]
    split: Split
    pet_method: str | None

    @property
    def train_days(self) -> tuple[int, int]:
        """First and last day with flow to learn from, as rows."""
        return _span(self.learned)

    @property
    def validation_days(self) -> tuple[int, int]:
        """First and last day with flow to validate on, as rows."""
        return _span(self.judged)


def load_material(experiment: Experiment) -> Material:
    """Read the data of an experiment.

    Raises
    ------
    DmgError
        If data or basins are missing, or no flow is left to learn from or to validate on; what is wrong is named.
    """
    settings = experiment.data
    reader, given = READERS[settings.reader], (settings.file, settings.attributes, experiment.basin_ids(), experiment.attributes)
    require_options(reader, given, settings.options, where="data", name=settings.reader)
    with basins_of(settings.basins):
        data = reader(*given, **settings.options)
    return make_material(data, experiment)


def make_material(data: BasinData, experiment: Experiment) -> Material:
    """Prepare data that have been read; see :func:`load_material`."""
    data = with_inputs(data, experiment.attributes)
    split = split_experiment(data, experiment)
    train, validation = (np.where(part, data.flow, np.nan) for part in (split.training, split.validation))
    order, learned_from = _order(train, validation, data.ids)
    training = split.training & np.isfinite(train).any(axis=0)
    statistics = training_statistics(data, training, model_settings(experiment).log_norm)
    data = data.select([data.ids[basin] for basin in order])
    dtype = torch.float64 if experiment.precision == "float64" else torch.float32
    return Material(
        ids=data.ids,
        dates=data.dates,
        **tensors_of(data, PROCESS_MODELS[experiment.model.physics], dtype),
        learned=train[:, order[:learned_from]],
        judged=validation[:, order],
        statistics=statistics,
        split=split,
        pet_method=data.pet_method,
    )


def with_inputs(data: BasinData, names: tuple[str, ...]) -> BasinData:
    """Keep the attributes that a network takes, in its order.

    Raises
    ------
    AttributeTableError
        If the data do not have them all.
    """
    unknown = [name for name in names if name not in data.attribute_names]
    if unknown:
        raise AttributeTableError(
            f"the data have no attributes {', '.join(unknown)}; they have {', '.join(data.attribute_names) or 'none'}"
        )
    columns = [data.attribute_names.index(name) for name in names]
    return replace(data, attributes=data.attributes[:, columns], attribute_names=names)


def _order(train: FloatArray, validation: FloatArray, ids: tuple[str, ...]) -> tuple[NDArray[np.intp], int]:
    """Columns of the basins learned from, then of those only validated on, and how many the former are; the others are left out."""
    learned, judged = np.isfinite(train).any(axis=0), np.isfinite(validation).any(axis=0)
    for found, purpose in ((learned, "to learn from"), (judged, "to validate on")):
        if not found.any():
            raise ConfigError(f"split: none of {len(ids)} basins has flow {purpose}")
    left_out = [gauge for gauge, one, other in zip(ids, learned, judged, strict=True) if not (one or other)]
    if left_out:
        _log.warning("%d of %d basins have no flow in the periods and are left out: %s", len(left_out), len(ids), ", ".join(left_out))
    return np.concatenate([np.flatnonzero(learned), np.flatnonzero(judged & ~learned)]), int(learned.sum())


def _span(flow: FloatArray) -> tuple[int, int]:
    days = np.flatnonzero(np.isfinite(flow).any(axis=1))
    return int(days[0]), int(days[-1])
