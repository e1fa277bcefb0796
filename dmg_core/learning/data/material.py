"""From what a reader gives to what a training works with: split, normalised, in tensors."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dmg_core.data import READERS, BasinData, Split
from dmg_core.errors import AttributeTableError, ConfigError
from dmg_core.learning.data.sampler import Batch, Sampler
from dmg_core.learning.data.splitting import split_experiment
from dmg_core.learning.settings.experiment import DataSettings, Experiment, basins_of
from dmg_core.learning.settings.model import log_normalized, statistic_of
from dmg_core.model import DeltaModel
from dmg_core.models import PROCESS_MODELS, ProcessModel
from dmg_core.normalization import LOG_OFFSET, MEAN, STD, is_constant

LOGGER = logging.getLogger(__name__)

FloatArray = NDArray[np.float64]
#: Statistics of one input: p10, p90, mean, std, min, max.
Row = tuple[float, float, float, float, float, float]


@dataclass(frozen=True, eq=False)
class Inputs:
    """Series and attributes of B basins over T days.

    Attributes
    ----------
    forcing : Tensor, shape (T, B, F)
        Forcings of the process model, in the precision of its equations.
    attributes : Tensor of float64, shape (B, A)
        In the order of the network's inputs.
    upstream_area, elevation : Tensor, shape (B,)
        km² and m.
    """

    forcing: Tensor
    attributes: Tensor
    upstream_area: Tensor
    elevation: Tensor

    def run(self, model: DeltaModel, output: str, days: Any, basins: Any, *, warm_up: int) -> Tensor:
        """Run some days of some basins.

        Parameters
        ----------
        model : DeltaModel
            As it is, in training or in use.
        output : str
            Which of its outputs.
        days, basins : index
            Rows and columns of the forcing: a slice of days for all of the basins, or days (D, b) for b basins.
        warm_up : int
            Days at the beginning that only fill the stores.

        Returns
        -------
        Tensor, shape (D - warm_up, b)
            Per day.
        """
        return model.series(output, self.forcing[days, basins], self.attributes[basins], warm_up=warm_up, **self.site(basins))

    def site(self, basins: Any) -> dict[str, Tensor]:
        """Give what equations may read of some basins, by symbol."""
        return {"upstream_area": self.upstream_area[basins], "elevation": self.elevation[basins]}


class Compared(NamedTuple):
    """What a step of training compares."""

    simulated: Tensor
    """Flow of each window on the days (or hours) of the loss, (D, b)."""
    observed: Tensor
    """The same, NaN where nothing was observed."""
    carried: Any = None
    """Where the windows end, for a batch that goes on from there; None if none does."""


class Judged(NamedTuple):
    """A part of the validation period."""

    simulated: Tensor
    """Flow of b basins, (D, b)."""
    observed: FloatArray
    """The same, NaN where nothing was observed."""
    window: Batch
    """The basins, and where their run begins."""
    warm_up: int
    """Days (or hours) of it before those of the flow."""


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
        return span(self.learned)

    @property
    def validation_days(self) -> tuple[int, int]:
        """First and last day with flow to validate on, as rows."""
        return span(self.judged)

    @cached_property
    def observed(self) -> Tensor:
        """Flow learned from, (T, L), in the precision of the equations."""
        return torch.from_numpy(self.learned).to(self.forcing.dtype)

    def finite_weather(self, days: NDArray[np.int64], basins: NDArray[np.int64]) -> Tensor:
        """Whether the weather of some basins (b,) is a number on some days (D, b)."""
        return torch.isfinite(self.forcing[days, basins]).all(dim=-1)

    def finite_attributes(self, basins: NDArray[np.int64]) -> Tensor:
        """Whether the attributes of some basins are numbers, (b,)."""
        return torch.isfinite(self.attributes[basins]).all(dim=-1)

    def compare(self, model: DeltaModel, batch: Batch, sampler: Sampler, carried: None = None) -> Compared:  # noqa: ARG002
        """Run the windows of a batch; flow is compared after their warm-up.

        Parameters
        ----------
        model : DeltaModel
            As it is, in training or in use.
        batch : Batch
            The windows.
        sampler : Sampler
            Their lengths.
        carried : None
            Windows of days never go on from others.
        """
        days = batch.starts + np.arange(sampler.warm_up + sampler.days)[:, None]
        simulated = self.run(model, model.settings.target, days, batch.basins, warm_up=sampler.warm_up)
        return Compared(simulated, self.observed[days[sampler.warm_up :], batch.basins])

    def carried_of(self, tensors: Sequence[Tensor]) -> None:
        """Nothing is carried over between windows of days."""

    def judge(self, model: DeltaModel, basins: NDArray[np.intp], warm_up: int) -> Iterator[Judged]:
        """Run some basins through the validation period in one go.

        Parameters
        ----------
        model : DeltaModel
            In use.
        basins : ndarray of int, shape (b,)
            Which.
        warm_up : int
            Days before the first one that is scored, as far as the data have them.

        Yields
        ------
        Judged
            Once.
        """
        first, last = self.validation_days
        before = min(warm_up, first)
        simulated = self.run(model, model.settings.target, slice(first - before, last + 1), basins, warm_up=before)
        window = Batch(basins, np.full(len(basins), first - before))
        yield Judged(simulated, self.judged[first : last + 1, basins], window, before)


def load_material(experiment: Experiment) -> Material:
    """Read the data of an experiment and prepare them.

    Raises
    ------
    DmgError
        If data or basins are missing, or no flow is left to learn from or to validate on; what is wrong is named.
    """
    settings = experiment.data
    return make_material(read_data(settings, settings.basin_ids(), experiment.attributes), experiment)


def read_data(settings: DataSettings, ids: Sequence[str] | None, attributes: Sequence[str]) -> BasinData:
    """Read some basins, or None for all, with some attributes.

    Raises
    ------
    DmgError
        If there is no such reader, or what it reads is missing or wrong.
    """
    given = (settings.file, settings.attributes, ids, attributes)
    with basins_of(settings.basins):
        data: BasinData = READERS.call(settings.reader, *given, options=settings.options, where="data")
    return data


def make_material(data: BasinData, experiment: Experiment) -> Material:
    """Prepare data that have been read; see :func:`load_material`."""
    data = with_inputs(data, experiment.attributes)
    split = split_experiment(data, experiment)
    train, validation = (np.where(part, data.flow, np.nan) for part in (split.training, split.validation))
    order, learned_from = learned_first(train, validation, data.ids)
    statistics = training_statistics(data, split.training & np.isfinite(train).any(axis=0), log_normalized(experiment))
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


def learned_first(train: FloatArray, validation: FloatArray, ids: tuple[str, ...]) -> tuple[NDArray[np.intp], int]:
    """Columns of the basins learned from, then of those only validated on, and how many the former are; the others are left out."""
    learned, judged = np.isfinite(train).any(axis=0), np.isfinite(validation).any(axis=0)
    for found, purpose in ((learned, "to learn from"), (judged, "to validate on")):
        if not found.any():
            raise ConfigError(f"split: none of {len(ids)} basins has flow {purpose}")
    left_out = [gauge for gauge, one, other in zip(ids, learned, judged, strict=True) if not (one or other)]
    if left_out:
        LOGGER.warning("%d of %d basins have no flow in the periods and are left out: %s", len(left_out), len(ids), ", ".join(left_out))
    return np.concatenate([np.flatnonzero(learned), np.flatnonzero(judged & ~learned)]), int(learned.sum())


def span(flow: FloatArray) -> tuple[int, int]:
    """First and last row of flow (T, B) that has any."""
    days = np.flatnonzero(np.isfinite(flow).any(axis=1))
    return int(days[0]), int(days[-1])


def tensors_of(data: BasinData, process: ProcessModel | type[ProcessModel], dtype: torch.dtype) -> dict[str, Tensor]:
    """Give the fields of :class:`Inputs` for basins.

    Parameters
    ----------
    data : BasinData
        With the network's attributes, in its order.
    process : ProcessModel
        Whose forcings are taken.
    dtype : torch.dtype
        Precision of the process equations.

    Raises
    ------
    ConfigError
        If the data have not all of its forcings.
    """
    return {
        "forcing": torch.from_numpy(data.forcings(forcing.name for forcing in process.forcings)).to(dtype),
        "attributes": torch.from_numpy(data.attributes),
        "upstream_area": torch.from_numpy(data.upstream_area).to(dtype),
        "elevation": torch.from_numpy(data.elevation).to(dtype),
    }


def training_statistics(data: BasinData, training: NDArray[np.bool_], log_names: Collection[str]) -> dict[str, Row]:
    """Give rows as ``normalization_statistics.json`` holds them, and log which variables never vary.

    Parameters
    ----------
    data : BasinData
        All basins.
    training : ndarray of bool, shape (T, B)
        Which days of which basins are learned from.
    log_names : collection of str
        Log-normalised variables, whose statistics are those of ``log10(sqrt(x) + 0.1)``.

    Returns
    -------
    dict of str to (p10, p90, mean, std, min, max)
        Forcings over these days, attributes over the basins that have any.
    """
    columns = {statistic_of(name): data.forcing[..., column][training] for column, name in enumerate(data.forcing_names)}
    columns |= {name: data.attributes[training.any(axis=0), column] for column, name in enumerate(data.attribute_names)}
    rows = {name: _row(values, logarithmic=name in log_names) for name, values in columns.items()}
    constant = [f"{name} ({columns[name].flat[0]:g})" for name, row in rows.items() if is_constant(row[MEAN], row[STD])]
    if constant:
        LOGGER.warning("the same in all that is learned from, so that nothing can be learned from it: %s", ", ".join(constant))
    return rows


def _row(values: NDArray[np.float64], *, logarithmic: bool) -> Row:
    if logarithmic:
        values = np.log10(np.sqrt(np.maximum(values, 0.0)) + LOG_OFFSET)
    p10, p90 = np.percentile(values, (10, 90))
    least, largest = float(values.min()), float(values.max())
    mean, std = (least, 0.0) if least == largest else (float(values.mean()), float(values.std()))  # a constant without rounding
    return float(p10), float(p90), mean, std, least, largest
