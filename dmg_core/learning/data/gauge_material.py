"""From tables of units and gauges, weather of units and flow at gauges to what a training works with."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dmg_core.data.gauge_flow import read_gauge_flow
from dmg_core.data.gauge_tables import disagreement, read_attributes, read_gauges, read_membership
from dmg_core.data.plausibility import require_plausible_flow, scant_flow
from dmg_core.data.unit_forcing import UnitForcing, variables_of
from dmg_core.errors import ConfigError, ForcingError, NetworkError
from dmg_core.learning.data.lessons import DailyLessons, order_of
from dmg_core.learning.data.material import BLOCK
from dmg_core.learning.data.splitting import split_experiment
from dmg_core.learning.data.statistics import Row, row_of, tell_constants
from dmg_core.learning.data.unit_survey import Surveyed, survey_units
from dmg_core.learning.settings.data import UnitDataSettings
from dmg_core.learning.settings.experiment import Experiment
from dmg_core.learning.settings.model import log_normalized, statistic_of
from dmg_core.models import PROCESS_MODELS
from dmg_core.models.layout import TOTAL
from dmg_core.multi_scale import ChannelSettings, GaugeModel
from dmg_core.multi_scale.channels import read_ways
from dmg_core.routing import Membership, MembershipBatch

LOGGER = logging.getLogger(__name__)

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
class UnitInputs:
    """Weather and attributes of the U units above B gauges.

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
    by_pair : bool
        Which of the two.
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
    by_pair: bool
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
        """Run some gauges; see :meth:`dmg_core.learning.data.lessons.Lessons.run`.

        With windows of their own (days (D, b)), each gauge has units of its own; through a slice of days, each unit is run once.
        """
        if isinstance(days, slice):
            return self._run_together(model, output, days, basins, warm_up)
        batch = self.membership.batch(basins)
        given = self.windows(days, batch), self.attributes[batch.units], self._ways(basins, batch.pairs)
        weather, attributes, ways = (tensor.to(model.device) for tensor in given)
        return model.series(output, weather, attributes, batch.membership, ways, warm_up=warm_up, **self._site(batch.units))

    def _run_together(self, model: GaugeModel, output: str, days: slice, gauges: IntArray, warm_up: int) -> Tensor:
        part = self.membership.part(gauges)
        before = min(model.memory, warm_up)
        flows = []
        for units in np.split(part.units, range(BLOCK, len(part.units), BLOCK)):
            weather = torch.from_numpy(self.forcing.read_checked(days, self.places[units])).to(model.device, self.dtype)
            inputs = weather, self.attributes[units].to(model.device)
            flows.append(model.units.series(output, *inputs, warm_up=warm_up - before, **self._site(units)))
        return model.at_gauges(torch.cat(flows, dim=1), part.membership, self._ways(gauges, part.pairs).to(model.device))[before:]

    def windows(self, days: NDArray[np.int64], batch: MembershipBatch) -> Tensor:
        """Read the weather (D, n, F) of the units of a batch, each on the days (D, b) of its gauge."""
        spans = [slice(int(first), int(last) + 1) for first, last in zip(days[0], days[-1], strict=True)]
        units = np.split(self.places[batch.units], batch.membership.offsets[1:-1])
        parts = [self.forcing.read(span, members) for span, members in zip(spans, units, strict=True)]
        return torch.from_numpy(np.concatenate(parts, axis=1)).to(self.dtype)

    def of_gauges(self, gauges: IntArray) -> dict[str, Any]:
        """Give the fields for some of the gauges, in an order; the units stay."""
        fields = {name: getattr(self, name) for name in UnitInputs.__dataclass_fields__}
        pairs = self.membership.batch(gauges).pairs
        return {**fields, "membership": self.membership.ordered(gauges), "ways": self._ways(gauges, pairs)}

    def _ways(self, gauges: IntArray, pairs: IntArray) -> Tensor:
        return self.ways[pairs if self.by_pair else gauges]

    def _site(self, units: IntArray) -> dict[str, Tensor]:
        return {"upstream_area": self.upstream_area[units], "elevation": self.elevation[units]}

    def blocks(self, basins: NDArray[np.intp]) -> list[NDArray[np.intp]]:
        """Part gauges into such as have not many units together; see :meth:`dmg_core.learning.data.lessons.Lessons.blocks`."""
        if not len(basins):
            return []
        block = (np.cumsum(self.unit_counts[basins]) - 1) // self.units_per_batch
        return np.split(basins, np.flatnonzero(np.diff(block)) + 1)


@dataclass(frozen=True, eq=False)
class GaugeMaterial(UnitInputs, DailyLessons):
    """Data of an experiment at B gauges, of which the first L are learned from; the units above them are those of :class:`UnitInputs`."""

    def are_numbers(self, days: NDArray[np.int64], basins: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Tell where inputs of all units are numbers; see :meth:`Lessons.are_numbers`."""
        batch = self.membership.batch(basins)
        weather = torch.isfinite(self.windows(days, batch)).all(dim=-1)
        attributes = torch.isfinite(self.attributes[batch.units]).all(dim=-1)
        counts = np.diff(batch.membership.offsets).tolist()
        by_gauge = [part.all(dim=1) for part in weather.split(counts, dim=1)], [part.all() for part in attributes.split(counts)]
        return torch.stack(by_gauge[0], dim=1), torch.stack(by_gauge[1])

    def way_statistics(self, settings: ChannelSettings) -> dict[str, Row]:
        """Statistics of the attributes of ways to the gauges that are learned from."""
        learned = self.learned.shape[1]
        ways = self.ways[: self.membership.offsets[learned] if self.by_pair else learned].numpy()
        return {name: row_of(ways[:, column], logarithmic=False) for column, name in enumerate(settings.attributes)}


def load_gauge_material(experiment: Experiment, surveyed: Surveyed | None = None) -> GaugeMaterial:
    """Read the data of an experiment with units and gauges, and prepare them; weather is looked through once.

    Parameters
    ----------
    experiment : Experiment
        Which data, and how they are split.
    surveyed : callable, optional
        Is told of how many units the weather has been looked through, and of how many it will be.

    Raises
    ------
    DmgError
        If anything is missing or wrong, or a gauge has more units than a batch may have; file and gauge or unit are named.
    """
    settings = experiment.data
    assert isinstance(settings, UnitDataSettings)
    inputs = load_inputs(experiment)
    membership, forcing = inputs.membership, inputs.forcing
    observed = read_gauge_flow(settings.flow, membership.gauges, membership.gauge_areas, forcing.dates)
    flow = GaugeFlow(membership.gauges, forcing.dates, observed)
    split = split_experiment(flow, experiment)
    train, validation = (np.where(part, observed, np.nan) for part in (split.training, split.validation))
    order, learned_from = order_of(train, validation, flow.ids)
    log_names = log_normalized(experiment)
    training = split.training & np.isfinite(train).any(axis=0)
    statistics, precipitation = survey_units(forcing, inputs.places, membership, training, log_names, surveyed)
    if precipitation is not None and experiment.model.target in {None, TOTAL}:
        _require_plausible(settings.flow, flow, precipitation)
    learned_units = membership.part(order[:learned_from]).units
    statistics |= _attribute_statistics(inputs.attributes.numpy(), experiment.attributes, learned_units, log_names)
    return GaugeMaterial(
        ids=tuple(flow.ids[gauge] for gauge in order),
        dates=flow.dates,
        learned=train[:, order[:learned_from]],
        judged=validation[:, order],
        statistics=statistics,
        split=split,
        pet_method=settings.pet_method,
        groups=tuple(flow.ids[gauge] for gauge in order),
        **inputs.of_gauges(order),
    )


def load_inputs(experiment: Experiment) -> UnitInputs:
    """Read units, gauges and what leads from one to the other, and open the weather, whose values are not looked at.

    Raises
    ------
    DmgError
        As :func:`load_gauge_material`, as far as no series are concerned.
    """
    settings = experiment.data
    assert isinstance(settings, UnitDataSettings)
    membership, forcing = _membership(settings), _forcing(settings, experiment)
    attributes, upstream_area, elevation = _of_units(settings, experiment, membership)
    channels = experiment.channels or ChannelSettings()
    dtype = torch.float64 if experiment.precision == "float64" else torch.float32
    return UnitInputs(
        membership=membership,
        forcing=forcing,
        places=membership.places_of_units(forcing.ids, str(settings.forcing)),
        attributes=torch.from_numpy(attributes),
        upstream_area=torch.from_numpy(upstream_area).to(dtype),
        elevation=torch.from_numpy(elevation).to(dtype),
        ways=torch.from_numpy(read_ways(channels, membership, settings.gauges, settings.membership)),
        by_pair=channels.per == "pair",
        units_per_batch=settings.units_per_batch,
    )


def _forcing(settings: UnitDataSettings, experiment: Experiment) -> UnitForcing:
    """Open the weather; process models that do not step by the day are refused."""
    process = PROCESS_MODELS[experiment.model.physics]
    if process.steps_per_day != 1:
        raise ConfigError(f"model.physics: {experiment.model.physics} steps by the hour; what is learned at gauges steps by the day")
    symbols = tuple(forcing.name for forcing in process.forcings)
    return UnitForcing(settings.forcing, variables_of(symbols, settings.variables, {symbol: statistic_of(symbol) for symbol in symbols}))


def _require_plausible(file: Path, flow: GaugeFlow, precipitation: FloatArray) -> None:
    """Refuse flow that its precipitation cannot have given, and warn of hardly any; see :mod:`dmg_core.data.plausibility`."""
    try:
        require_plausible_flow(flow.flow, precipitation, flow.ids, flow.dates)
    except ForcingError as error:
        raise ForcingError(f"{file}: {error}") from error
    if scant := scant_flow(flow.flow, precipitation, flow.ids):
        LOGGER.warning("%s: %s", file, scant)


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


def _attribute_statistics(attributes: FloatArray, names: Sequence[str], units: IntArray, log_names: Sequence[str]) -> dict[str, Row]:
    """Statistics over some units, each once."""
    rows = {name: row_of(attributes[units, column], logarithmic=name in log_names) for column, name in enumerate(names)}
    tell_constants(rows, {name: float(attributes[units[0], column]) for column, name in enumerate(names)})
    return rows
