"""From what a reader gives to what a training works with: split, normalised, in tensors."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dmg_core.data import READERS, BasinData
from dmg_core.errors import AttributeTableError, ConfigError
from dmg_core.learning.data.lessons import DailyLessons, order_of
from dmg_core.learning.data.splitting import split_experiment
from dmg_core.learning.data.statistics import Row, row_of, tell_constants
from dmg_core.learning.settings.data import DataSettings, basins_of
from dmg_core.learning.settings.experiment import Experiment
from dmg_core.learning.settings.model import log_normalized, statistic_of, target_of
from dmg_core.model import DeltaModel
from dmg_core.models import PROCESS_MODELS, ProcessModel

#: Basins run together where no gradients are wanted; bounds the memory.
BLOCK: Final = 128


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
        """Run some days of some basins; see :meth:`dmg_core.learning.data.lessons.DailyLessons.run`."""
        weather, attributes = self.forcing[days, basins].to(model.device), self.attributes[basins].to(model.device)
        return model.series(output, weather, attributes, warm_up=warm_up, **self.site(basins))

    def site(self, basins: Any) -> dict[str, Tensor]:
        """Give what equations may read of some basins, by symbol."""
        return {"upstream_area": self.upstream_area[basins], "elevation": self.elevation[basins]}


@dataclass(frozen=True, eq=False)
class Material(Inputs, DailyLessons):
    """Data of an experiment: B basins, of which the first L are learned from; their tensors are those of :class:`Inputs`."""

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the process equations."""
        return self.forcing.dtype

    def blocks(self, basins: NDArray[np.intp]) -> list[NDArray[np.intp]]:
        """Part basins into such as are run together; see :meth:`Lessons.blocks`."""
        return [basins[start : start + BLOCK] for start in range(0, len(basins), BLOCK)]

    def are_numbers(self, days: NDArray[np.int64], basins: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Tell where inputs are numbers; see :meth:`Lessons.are_numbers`."""
        return torch.isfinite(self.forcing[days, basins]).all(dim=-1), torch.isfinite(self.attributes[basins]).all(dim=-1)


def load_material(experiment: Experiment) -> Material:
    """Read the data of an experiment and prepare them.

    Raises
    ------
    DmgError
        If data or basins are missing, or no flow is left to learn from or to validate on; what is wrong is named.
    """
    settings = experiment.data
    assert isinstance(settings, DataSettings)
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
    _require_target(data, experiment)
    data = with_inputs(data, experiment.attributes)
    split = split_experiment(data, experiment)
    train, validation = (np.where(part, data.flow, np.nan) for part in (split.training, split.validation))
    order, learned_from = order_of(train, validation, data.ids)
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
        groups=data.groups,
    )


def _require_target(data: BasinData, experiment: Experiment) -> None:
    """Refuse to compare one output of the process model with what was observed of another."""
    process, target = PROCESS_MODELS[experiment.model.physics], target_of(experiment)
    if data.observed_name != target and data.observed_name in {flux.name for flux in process.fluxes}:
        raise ConfigError(f"data: {data.observed_name} was observed, but model.target is {target}; they must be the same")


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
    rows = {name: row_of(values, logarithmic=name in log_names) for name, values in columns.items()}
    tell_constants(rows, {name: float(values.flat[0]) for name, values in columns.items()})
    return rows
