"""From tables of units and gauges, weather of units and flow at gauges to what a training works with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dmg_core.data.gauge_flow import read_gauge_flow
from dmg_core.data.gauge_tables import disagreement, read_attributes, read_gauges, read_membership
from dmg_core.data.plausibility import require_plausible_flow
from dmg_core.data.unit_forcing import UnitForcing, variables_of
from dmg_core.errors import ConfigError, NetworkError
from dmg_core.learning.data.lessons import Lessons, order_of
from dmg_core.learning.data.material import BLOCK
from dmg_core.learning.data.splitting import split_experiment
from dmg_core.learning.data.statistics import Row, row_of, tell_constants
from dmg_core.learning.data.unit_survey import survey_units
from dmg_core.learning.settings.experiment import Experiment, UnitDataSettings
from dmg_core.learning.settings.model import log_normalized, statistic_of
from dmg_core.models import PROCESS_MODELS
from dmg_core.multi_scale import ChannelSettings, GaugeModel
from dmg_core.multi_scale.channels import read_ways
from dmg_core.routing import Membership, MembershipBatch

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class GaugeFlow:
    """Flow observed at gauges, as splits look at it: :class:`dmg_core.data.basins.Observed`."""

    ids: tuple[str, ...]
    dates: NDArray[np.datetime64]
    flow: FloatArray

    @property
    def groups(self) -> tuple[str, ...]:
        """What each is scored with: a gauge is scored by itself."""
        return self.ids


@dataclass(frozen=True, eq=False)
class GaugeMaterial(Lessons):
    """Data of an experiment at B gauges, and of the U units above them.

    Attributes
    ----------
    membership : Membership
        Of the B gauges and U units.
    forcing : UnitForcing
        Weather, which stays in its file.
    places : ndarray of int, shape (U,)
        Places of the units there.
    attributes : Tensor of float64, shape (U, A)
        In the order of the network's inputs.
    upstream_area, elevation : Tensor, shape (U,)
        km² and m; NaN where they are not known.
    ways : Tensor of float64, shape (W, n)
        Attributes of the channels, of each pair or of each gauge.
    units_per_batch : int
        The most units that a batch has.
    """

    membership: Membership
    forcing: UnitForcing
    places: IntArray
    attributes: Tensor
    upstream_area: Tensor
    elevation: Tensor
    ways: Tensor
    units_per_batch: int

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the process equations."""
        return self.upstream_area.dtype

    @property
    def unit_counts(self) -> IntArray:
        """Units above each gauge, shape (B,)."""
        return np.diff(self.membership.offsets)

    def run(self, model: GaugeModel, output: str, days: Any, basins: Any, *, warm_up: int) -> Tensor:
        """Run some gauges; see :meth:`Lessons.run`.

        With windows of their own (days (D, b)), each gauge has units of its own; through a slice of days, each unit is run once.
        """
        if isinstance(days, slice):
            return self._run_together(model, output, days, basins, warm_up)
        batch = self.membership.batch(basins)
        weather, attributes = self._windows(days, batch), self.attributes[batch.units]
        ways = self._ways(model, basins, batch.pairs)
        return model.series(output, weather, attributes, batch.membership, ways, warm_up=warm_up, **self._site(batch.units))

    def _run_together(self, model: GaugeModel, output: str, days: slice, gauges: IntArray, warm_up: int) -> Tensor:
        part = self.membership.part(gauges)
        before = min(model.memory, warm_up)
        flows = []
        for units in np.split(part.units, range(BLOCK, len(part.units), BLOCK)):
            weather = torch.from_numpy(self.forcing.read(days, self.places[units])).to(self.dtype)
            inputs = weather, self.attributes[units]
            flows.append(model.units.series(output, *inputs, warm_up=warm_up - before, **self._site(units)))
        return model.at_gauges(torch.cat(flows, dim=1), part.membership, self._ways(model, gauges, part.pairs))[before:]

    def _windows(self, days: NDArray[np.int64], batch: MembershipBatch) -> Tensor:
        """Weather (D, n, F) of the units of a batch, each in the window of its gauge."""
        spans = [slice(int(first), int(last) + 1) for first, last in zip(days[0], days[-1], strict=True)]
        units = np.split(self.places[batch.units], batch.membership.offsets[1:-1])
        parts = [self.forcing.read(span, members) for span, members in zip(spans, units, strict=True)]
        return torch.from_numpy(np.concatenate(parts, axis=1)).to(self.dtype)

    def _ways(self, model: GaugeModel, gauges: IntArray, pairs: IntArray) -> Tensor:
        by_pair = model.channels is not None and model.channels.settings.per == "pair"
        return self.ways[pairs if by_pair else gauges]

    def _site(self, units: IntArray) -> dict[str, Tensor]:
        return {"upstream_area": self.upstream_area[units], "elevation": self.elevation[units]}

    def blocks(self, basins: NDArray[np.intp]) -> list[NDArray[np.intp]]:
        """Part gauges into such as have not many units together; see :meth:`Lessons.blocks`."""
        if not len(basins):
            return []
        block = (np.cumsum(self.unit_counts[basins]) - 1) // self.units_per_batch
        return np.split(basins, np.flatnonzero(np.diff(block)) + 1)

    def are_numbers(self, days: NDArray[np.int64], basins: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Tell where inputs of all units are numbers; see :meth:`Lessons.are_numbers`."""
        batch = self.membership.batch(basins)
        weather = torch.isfinite(self._windows(days, batch)).all(dim=-1)
        attributes = torch.isfinite(self.attributes[batch.units]).all(dim=-1)
        counts = np.diff(batch.membership.offsets).tolist()
        by_gauge = [part.all(dim=1) for part in weather.split(counts, dim=1)], [part.all() for part in attributes.split(counts)]
        return torch.stack(by_gauge[0], dim=1), torch.stack(by_gauge[1])

    def way_statistics(self, settings: ChannelSettings) -> dict[str, Row]:
        """Statistics of the attributes of ways to the gauges that are learned from."""
        learned = self.learned.shape[1]
        ways = self.ways[: self.membership.offsets[learned] if settings.per == "pair" else learned].numpy()
        return {name: row_of(ways[:, column], logarithmic=False) for column, name in enumerate(settings.attributes)}


def load_gauge_material(experiment: Experiment) -> GaugeMaterial:
    """Read the data of an experiment with units and gauges, and prepare them; weather is looked through once.

    Raises
    ------
    DmgError
        If anything is missing or wrong, or a gauge has more units than a batch may have; file and gauge or unit are named.
    """
    settings = experiment.data
    assert isinstance(settings, UnitDataSettings)
    membership = _membership(settings)
    process = PROCESS_MODELS[experiment.model.physics]
    symbols = tuple(forcing.name for forcing in process.forcings)
    forcing = UnitForcing(settings.forcing, variables_of(symbols, settings.variables, {s: statistic_of(s) for s in symbols}))
    places = membership.places_of_units(forcing.ids, str(settings.forcing))
    attributes, upstream_area, elevation = _of_units(settings, experiment, membership)
    ways = read_ways(experiment.channels or ChannelSettings(), membership, settings.gauges, settings.membership)
    flow = GaugeFlow(
        membership.gauges, forcing.dates, read_gauge_flow(settings.flow, membership.gauges, membership.gauge_areas, forcing.dates)
    )
    split = split_experiment(flow, experiment)
    train, validation = (np.where(part, flow.flow, np.nan) for part in (split.training, split.validation))
    order, learned_from = order_of(train, validation, flow.ids)
    training = split.training & np.isfinite(train).any(axis=0)
    log_names = log_normalized(experiment)
    statistics, precipitation = survey_units(forcing, places, membership, training, log_names)
    if precipitation is not None and experiment.model.target in {None, "streamflow"}:
        require_plausible_flow(flow.flow, precipitation, flow.ids, flow.dates)
    statistics |= _attribute_statistics(attributes, experiment.attributes, membership, order[:learned_from], log_names)
    dtype = torch.float64 if experiment.precision == "float64" else torch.float32
    per_pair = experiment.channels is not None and experiment.channels.per == "pair"
    return GaugeMaterial(
        ids=tuple(flow.ids[gauge] for gauge in order),
        dates=flow.dates,
        learned=train[:, order[:learned_from]],
        judged=validation[:, order],
        statistics=statistics,
        split=split,
        pet_method=settings.pet_method,
        groups=tuple(flow.ids[gauge] for gauge in order),
        membership=membership.ordered(order),
        forcing=forcing,
        places=places,
        attributes=torch.from_numpy(attributes),
        upstream_area=torch.from_numpy(upstream_area).to(dtype),
        elevation=torch.from_numpy(elevation).to(dtype),
        ways=torch.from_numpy(ways[membership.batch(order).pairs if per_pair else order]),
        units_per_batch=settings.units_per_batch,
    )


def _membership(settings: UnitDataSettings) -> Membership:
    """Read which units lie above which gauge; areas that disagree and gauges with too many units are refused."""
    membership = read_membership(settings.units, settings.gauges, settings.membership)
    stated = read_gauges(settings.gauges).areas
    for gauge, ratio in membership.area_disagreements(stated, settings.area_tolerance).items():
        raise NetworkError(
            f"{disagreement(str(settings.gauges), gauge, stated[gauge], ratio)}. Correct its units or its area, leave the gauge out, or "
            "allow more by data.area_tolerance"
        )
    counts = np.diff(membership.offsets)
    largest = int(counts.argmax())
    if counts[largest] > settings.units_per_batch:
        raise ConfigError(
            f"{settings.gauges}: gauge {membership.gauges[largest]} has {counts[largest]} units, more than a batch may have "
            f"(data.units_per_batch is {settings.units_per_batch}); raise that, which takes memory, or leave the gauge out"
        )
    return membership


def _of_units(settings: UnitDataSettings, experiment: Experiment, membership: Membership) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Read attributes (U, A), upstream areas (U,) and elevations (U,), the latter NaN if the equations do not read them."""
    process, options = PROCESS_MODELS[experiment.model.physics], experiment.model
    read = {attribute.name for attribute in process.attributes}
    places = [name for symbol, name in (("upstream_area", options.upstream_area), ("elevation", options.elevation)) if symbol in read]
    names = tuple(dict.fromkeys([*experiment.attributes, *places]))
    table = np.full((len(membership.units), len(names)), np.nan)
    needed = np.unique(membership.members)
    table[needed] = read_attributes(settings.units, ("unit_id",), [(membership.units[unit],) for unit in needed], names)
    columns = dict(zip(names, table.T, strict=True))
    unknown = np.full(len(table), np.nan)
    attributes = np.ascontiguousarray(table[:, [names.index(name) for name in experiment.attributes]])
    return attributes, columns.get(options.upstream_area, unknown), columns.get(options.elevation, unknown)


def _attribute_statistics(
    attributes: FloatArray, names: Sequence[str], membership: Membership, learned: NDArray[np.intp], log_names: Sequence[str]
) -> dict[str, Row]:
    """Statistics over units above gauges that are learned from, each once."""
    units = membership.part(learned).units
    rows = {name: row_of(attributes[units, column], logarithmic=name in log_names) for column, name in enumerate(names)}
    tell_constants(rows, {name: float(attributes[units[0], column]) for column, name in enumerate(names)})
    return rows
