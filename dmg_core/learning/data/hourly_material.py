"""From hourly data to what a multi-timescale model learns from: split, in tensors, and run through paired windows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dmg_core.checkpoint import Moments, MultiTimescaleStatistics
from dmg_core.data.hourly import HOURLY_READERS, HourlyData
from dmg_core.data.hourly.data import AGGREGATES
from dmg_core.errors import ConfigError
from dmg_core.learning.data.hourly_sampler import HOURLY_SAMPLERS, HOURS_PER_DAY, Windows
from dmg_core.learning.data.lessons import Compared, Judged, Lessons, order_of, span_of
from dmg_core.learning.data.material import BLOCK
from dmg_core.learning.data.sampler import Batch
from dmg_core.learning.data.splitting import split_experiment
from dmg_core.learning.settings.data import UnitDataSettings, basins_of
from dmg_core.learning.settings.experiment import Experiment
from dmg_core.learning.settings.multi_timescale import hourly_options, path_attributes
from dmg_core.multi_timescale import MultiTimescaleModel
from dmg_core.multi_timescale.model import HourlyState
from dmg_core.normalization import DIVISOR_OFFSET
from dmg_core.physics import PhysicsState
from dmg_core.routing import GaugeRouting, LaggedUnitHydrograph, Membership, aggregate

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


class Carried(NamedTuple):
    """Where some gauges and the units above them stand at the end of a window."""

    state: HourlyState
    """The units."""
    in_transit: Tensor | None
    """Water on its way to the gauges, (b, L - 1); None where flow is summed up."""

    def tensors(self) -> list[Tensor]:
        """Give what it is made of, in a form that files hold."""
        network, physics = self.state
        return [*network, physics.stores, physics.in_transit, *([] if self.in_transit is None else [self.in_transit])]

    def detached(self) -> Carried:
        """Leave out its history."""
        return self.of_tensors([part.detach() for part in self.tensors()])

    @classmethod
    def of_tensors(cls, parts: Sequence[Tensor]) -> Carried:
        """Put together what :meth:`tensors` gave."""
        h, c, stores, in_transit, *channels = parts
        return cls(HourlyState((h, c), PhysicsState(stores, in_transit)), channels[0] if channels else None)


@dataclass(frozen=True, eq=False)
class HourlyMaterial(Lessons):
    """Data of an hourly experiment: G gauges, of which the first L are learned from, and the U units above them.

    What :class:`~dmg_core.learning.data.lessons.Lessons` says of days is said of hours here. A day of which only the mean is known has it
    in all its hours; statistics are :class:`~dmg_core.checkpoint.MultiTimescaleStatistics`.

    Attributes
    ----------
    membership : Membership
        Which unit lies above which gauge.
    days : Tensor, shape (T / 24, U, F)
        Forcings of days.
    forcing : Tensor, shape (T, U, F)
        Forcings of hours.
    attributes : Tensor of float64, shape (U, A)
        In the order of the networks' inputs.
    path_attributes : Tensor of float64, shape (P, R)
        Of the ways to gauges.
    upstream_area, elevation : Tensor, shape (U,)
        km² and m.
    by_day : ndarray of bool, shape (T / 24, G)
        Days of which only the mean is known.
    windows : Windows
        Lengths of windows.
    routing : LaggedUnitHydrograph or None
        The way from units to gauges; None where flow is summed up.
    continuous : bool
        Whether states are carried over between windows, in validation too.
    """

    membership: Membership
    days: Tensor
    forcing: Tensor
    attributes: Tensor
    path_attributes: Tensor
    upstream_area: Tensor
    elevation: Tensor
    by_day: BoolArray
    windows: Windows
    routing: LaggedUnitHydrograph | None
    continuous: bool

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the process equations."""
        return self.forcing.dtype

    def blocks(self, basins: NDArray[np.intp]) -> list[NDArray[np.intp]]:
        """Part gauges into such as are run together; see :meth:`Lessons.blocks`."""
        return [basins[start : start + BLOCK] for start in range(0, len(basins), BLOCK)]

    def are_numbers(self, days: NDArray[np.int64], basins: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Tell where inputs of all units are numbers, in hours (D, b); see :meth:`Lessons.are_numbers`."""
        units = [self._units([gauge]) for gauge in basins]
        weather = [torch.isfinite(self.forcing[days[:, [i]], above]).all(-1).all(-1) for i, above in enumerate(units)]
        return torch.stack(weather, dim=1), torch.stack([torch.isfinite(self.attributes[above]).all() for above in units])

    def compare(self, model: MultiTimescaleModel, batch: Batch, sampler: Any, carried: Carried | None = None) -> Compared:  # noqa: ARG002
        """Run the windows of a batch, which all begin at the same hour.

        Parameters
        ----------
        model : MultiTimescaleModel
            As it is, in training or in use.
        batch : Batch
            Gauges and the hour at which the hours' warm-up begins.
        sampler : object
            Not looked at.
        carried : Carried, optional
            Where the batch before has ended, for one that follows it.

        Returns
        -------
        Compared
            Flow simulated and observed on the hours of the loss (hours, b), mm/d, and where it ends. Where only the mean of a day is known,
            the simulated hours of that day are their mean.
        """
        start, stop = int(batch.starts[0]) + self.windows.warm_up, self._end(int(batch.starts[0]))
        flow, carried = self.run(model, int(batch.starts[0]), batch.basins, carried if batch.follows else None)
        simulated, observed = self._as_observed(flow, start, batch.basins), self.observed[start:stop, batch.basins]
        return Compared(simulated, observed, carried if self.continuous else None)

    def run(
        self, model: MultiTimescaleModel, start: int, gauges: NDArray[np.int64], carried: Carried | None = None
    ) -> tuple[Tensor, Carried]:
        """Run some gauges through one window.

        Parameters
        ----------
        model : MultiTimescaleModel
            As it is, in training or in use.
        start : int
            Hour at which the hours' warm-up begins; the days end there.
        gauges : ndarray of int, shape (b,)
            Which.
        carried : Carried, optional
            State at the end of the warm-up, in place of days and warm-up.

        Returns
        -------
        Tensor (hours, b), Carried
            Flow after the warm-up, mm/d, and where it ends. Gradients flow through all of it, but for what is carried over.
        """
        part, (warm_up, stop) = self.membership.part(gauges), (self.windows.warm_up, self._end(start))
        device = model.device
        attributes, site = self.attributes[part.units].to(device), {"upstream_area": self.upstream_area[part.units]}
        site["elevation"] = self.elevation[part.units]
        if carried is None:
            day = start // HOURS_PER_DAY
            state = model.anchored(self.days[day - self.windows.days : day, part.units].to(device), attributes, **site)
            in_transit = None
        else:
            (state, in_transit), start, warm_up = carried, start + warm_up, 0
        flow, state = model.hourly_series(self.forcing[start:stop, part.units].to(device), attributes, state, **site)
        flow, in_transit = self._at_gauges(model, flow, part, in_transit)
        return HOURS_PER_DAY * flow[warm_up:], Carried(state, in_transit)

    def carried_of(self, tensors: Sequence[Tensor]) -> Carried:
        """Put together what a checkpoint holds; see :meth:`Carried.tensors`."""
        return Carried.of_tensors(tensors)

    def judge(self, model: MultiTimescaleModel, gauges: NDArray[np.intp], warm_up: int) -> Iterator[Judged]:  # noqa: ARG002
        """Run some gauges through the weeks of the validation period that have flow; see :meth:`Lessons.judge`.

        Windows have a warm-up of their own, so that ``warm_up`` is not looked at. States that are carried over in training are here too:
        then weeks without flow are run as well.
        """
        first, last = span_of(self.judged)
        begin = max(first - first % HOURS_PER_DAY, self.windows.before)
        carried = None
        for start in range(begin, last + 1, self.windows.hours):
            window = Batch(gauges, np.full(len(gauges), start - self.windows.warm_up))
            known = self.judged[start : self._end(start - self.windows.warm_up), gauges]
            if self.continuous or np.isfinite(known).any():
                flow, carried = self.run(model, int(window.starts[0]), gauges, carried if self.continuous else None)
                yield Judged(self._as_observed(flow, start, gauges), known, window, self.windows.warm_up)

    def _end(self, start: int) -> int:
        return min(start + self.windows.warm_up + self.windows.hours, len(self.dates))

    def _units(self, gauges: Sequence[int]) -> Any:
        return self.membership.part(gauges).units

    def _at_gauges(self, model: MultiTimescaleModel, flow: Tensor, part: Any, in_transit: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Lead flow of units (T, u) to gauges (T, b)."""
        if self.routing is None:
            return aggregate(flow, part.membership), None
        routing = GaugeRouting(part.membership, self.routing)
        weights = routing.weights(model.routing_fractions(self.path_attributes[part.pairs].to(flow.device)).to(flow.dtype))
        return routing.advance(flow, weights, in_transit)

    def _as_observed(self, flow: Tensor, start: int, gauges: NDArray[Any]) -> Tensor:
        """Take the mean of the hours of each day of which only that was observed."""
        by_day = flow.unflatten(0, (-1, HOURS_PER_DAY))
        first = start // HOURS_PER_DAY
        only = torch.from_numpy(self.by_day[first : first + len(by_day), gauges])[:, None].to(flow.device)
        return torch.where(only, by_day.mean(dim=1, keepdim=True), by_day).flatten(0, 1)


def load_hourly_material(experiment: Experiment) -> HourlyMaterial:
    """Read the data of an hourly experiment and prepare them.

    Raises
    ------
    DmgError
        If data or gauges are missing, or no flow is left to learn from or to validate on; what is wrong is named.
    """
    settings = experiment.data
    if isinstance(settings, UnitDataSettings):
        raise ConfigError("data: hourly models take units and gauges through a reader; name one (reader: ngen) and the file of weather")
    given = (settings.file, settings.attributes, settings.basin_ids(), experiment.attributes, path_attributes(experiment))
    _kind_of_sampler(experiment)
    with basins_of(settings.basins):
        data: HourlyData = HOURLY_READERS.call(settings.reader, *given, options=settings.options, where="data")
    return make_hourly_material(data, experiment)


def make_hourly_material(data: HourlyData, experiment: Experiment) -> HourlyMaterial:
    """Prepare data that have been read; see :func:`load_hourly_material`."""
    options, basins = hourly_options(experiment), data.daily_basins()
    split = split_experiment(basins, experiment)
    train, validation = (np.where(part, basins.flow, np.nan) for part in (split.training, split.validation))
    order, count = order_of(train, validation, data.gauges)
    data = data.select([data.gauges[gauge] for gauge in order])
    flow, by_day = _targets(data)
    learned, judged = (np.where(_hours_of(part[:, order]), flow, np.nan) for part in (split.training, split.validation))
    windows = Windows(options.days, options.warm_up, options.hours)
    _require_weather_before(judged, windows, data)
    dtype = torch.float64 if experiment.precision == "float64" else torch.float32
    return HourlyMaterial(
        ids=data.gauges,
        groups=data.gauges,
        membership=data.membership,
        dates=data.hours,
        days=torch.from_numpy(data.days()).to(dtype),
        forcing=torch.from_numpy(np.asarray(data.forcing)).to(dtype),
        attributes=torch.from_numpy(data.attributes),
        path_attributes=torch.from_numpy(data.path_attributes),
        upstream_area=torch.from_numpy(data.upstream_area).to(dtype),
        elevation=torch.from_numpy(data.elevation).to(dtype),
        learned=_without_low_flow(learned[:, :count], options.low_flow),
        judged=judged,
        by_day=by_day,
        statistics=hourly_statistics(data, split.training[:, order[:count]]),
        split=split,
        windows=windows,
        pet_method=data.pet_method,
        routing=LaggedUnitHydrograph.hourly(conserving=options.conserving) if options.routing else None,
        continuous=bool(_kind_of_sampler(experiment).continuous),
    )


def _kind_of_sampler(experiment: Experiment) -> Any:
    return HOURLY_SAMPLERS[experiment.sampler.name]


def _hours_of(days: NDArray[Any]) -> NDArray[Any]:
    """Repeat what belongs to days (D, G) for their hours."""
    return np.repeat(days, HOURS_PER_DAY, axis=0)


def _targets(data: HourlyData) -> tuple[FloatArray, BoolArray]:
    """Flow by the hour, with means of days where only those are known, and which days these are."""
    known = np.isfinite(data.flow).reshape(len(data.daily_flow), HOURS_PER_DAY, -1).any(axis=1)
    by_day = ~known & np.isfinite(data.daily_flow)
    return np.where(_hours_of(by_day), _hours_of(data.daily_flow), data.flow), by_day


def _without_low_flow(flow: FloatArray, quantile: float) -> FloatArray:
    """Leave out what lies below a quantile of each gauge's flow (T, L)."""
    if quantile == 0.0:
        return flow
    with np.errstate(invalid="ignore"):
        return np.where(flow >= np.nanquantile(flow, quantile, axis=0), flow, np.nan)


def _require_weather_before(judged: FloatArray, windows: Windows, data: HourlyData) -> None:
    _, last = span_of(judged)
    if last < windows.before:
        raise ConfigError(
            f"split: validation ends on {data.hours[last]}, but a window needs {windows.days} days and {windows.warm_up} hours of weather "
            f"before its flow, and the weather begins at {data.hours[0]}"
        )


def hourly_statistics(data: HourlyData, training: BoolArray) -> MultiTimescaleStatistics:
    """Give means and standard deviations of the inputs of the networks.

    Those of days are such that a normalised day is the mean of its normalised hours.

    Parameters
    ----------
    data : HourlyData
        The G gauges, those that are learned from first.
    training : ndarray of bool, shape (T / 24, L)
        Days of the first L gauges that are learned from.
    """
    part = data.membership.part(range(training.shape[1]))
    weather = data.forcing[_hours_of(training.any(axis=1))][:, part.units].reshape(-1, len(data.forcing_names))
    hourly = _moments(weather)
    lengths = [HOURS_PER_DAY if AGGREGATES[name] == "sum" else 1 for name in data.forcing_names]
    mean = tuple(length * each for length, each in zip(lengths, hourly.mean, strict=True))
    std = tuple(length * (each + DIVISOR_OFFSET) - DIVISOR_OFFSET for length, each in zip(lengths, hourly.std, strict=True))
    return MultiTimescaleStatistics(
        daily=Moments(mean, std),
        hourly=hourly,
        attributes=_moments(data.attributes[part.units]),
        routing_attributes=_moments(data.path_attributes[part.pairs]),
    )


def _moments(values: NDArray[Any]) -> Moments:
    """Means and standard deviations of columns; of one that never varies 0 without rounding."""
    least, largest = values.min(axis=0), values.max(axis=0)
    mean = np.where(least == largest, least, values.mean(axis=0, dtype=np.float64))
    std = np.where(least == largest, 0.0, values.std(axis=0, dtype=np.float64))
    return Moments(tuple(mean.tolist()), tuple(std.tolist()))
