"""What is wrong with the weather of a run: catchments and hours it lacks, gaps, impossible values, units that lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.checking.findings import Finding, Findings, Severity, Subject, listing
from bmi_dmg.run_folder.forcing_reader import ForcingReader
from bmi_dmg.run_folder.realization import Realization
from bmi_dmg.run_folder.units import Converter, converter
from bmi_dmg.variables import PENMAN_MONTEITH_INPUTS, PRECIPITATION, InputVariable

FloatArray = NDArray[np.float64]

KNOWN: Final = {variable.name: variable for variable in PENMAN_MONTEITH_INPUTS}
#: Hourly values held at a time, at least a day and at most a month of them.
CHUNK_VALUES: Final = 1_000_000
MONTH, YEAR = timedelta(days=30), timedelta(days=360)


@dataclass(frozen=True)
class Normal:
    """What a variable's mean over a long run may be anywhere on land, in the unit of :class:`InputVariable`, and what is mistaken for it.

    Attributes
    ----------
    low, high : float
        Bounds of the mean.
    lookalikes : tuple of str
        Units in which such data come, too.
    low_after : timedelta
        How long a run must be for the lower bound to count; a dry month is nothing strange.
    """

    low: float
    high: float
    lookalikes: tuple[str, ...] = ()
    low_after: timedelta = MONTH


_WIND: Final = Normal(-60.0, 60.0)

#: By the names of the inputs; precipitation from 5 to 13 000 mm a year.
NORMAL: Final = {
    variable.name: normal
    for variable, normal in zip(
        PENMAN_MONTEITH_INPUTS,
        (
            Normal(5.0 / 8766.0, 1.5, ("mm s-1", "mm h-1", "mm d-1", "m s-1", "m h-1"), YEAR),
            Normal(-60.0, 45.0, ("K", "degC", "degF")),
            Normal(1e-5, 0.03, ("kg kg-1", "g kg-1")),
            Normal(80.0, 600.0, ("W m-2", "kJ m-2 h-1", "MJ m-2 h-1", "J m-2 h-1")),
            Normal(0.0, 500.0, ("W m-2", "kJ m-2 h-1", "MJ m-2 h-1", "J m-2 h-1")),
            Normal(45000.0, 106000.0, ("Pa", "hPa", "kPa")),
            _WIND,
            _WIND,
        ),
        strict=True,
    )
}


#: Share of the largest rainfall ever measured from which on a sum is doubted.
PLAUSIBLE_SHARE: Final = 0.5


def record_rainfall(hours: float) -> float:
    """Give the largest rainfall ever measured anywhere in so many hours, mm (the envelope of Galmarini et al., 2004)."""
    return 491.0 * float(hours**0.452)


@dataclass(frozen=True)
class Source:
    """Where the values of an input come from.

    Attributes
    ----------
    variable : InputVariable
        The input.
    column : str
        Name of the forcing variable.
    """

    variable: InputVariable
    column: str


def inspect_coverage(forcing: ForcingReader, realization: Realization, ids: Sequence[str], findings: Findings) -> list[str]:
    """Note catchments without forcing, and hours that are not there.

    Returns
    -------
    list of str
        Catchments that have all hours.
    """
    without = [catchment for catchment in ids if catchment not in forcing.catchments]
    if without:
        findings.error(
            "forcing-catchment",
            f"{forcing.source}: no forcing for {listing(without)}",
            forcing.source,
            "add these catchments to the forcing: ngen would give them another catchment's weather without a word",
            catchments=tuple(without),
        )
    unused = tuple(sorted(forcing.catchments - set(ids)))
    if ids and unused:
        findings.note(
            "forcing-unused",
            f"{forcing.source}: there is forcing for catchments that are not in this run: {listing(unused)}",
            forcing.source,
            "none needed; it is not used",
            catchments=unused,
        )
    short: dict[tuple[datetime, datetime], list[str]] = {}
    covered = []
    for catchment in ids:
        if catchment in forcing.catchments:
            first, last = forcing.coverage(catchment)
            if first > realization.start or last < realization.end:
                short.setdefault((first, last), []).append(catchment)
            else:
                covered.append(catchment)
    for (first, last), catchments in short.items():
        findings.error(
            "forcing-time",
            f"{forcing.source}: forcing from {first} to {last} does not cover the run from {realization.start} to {realization.end} (the "
            f"step that starts at the end time is run too) for {listing(catchments)}",
            forcing.source,
            f"get forcing for the whole run, or change start_time and end_time in {realization.path}",
            catchments=tuple(catchments),
            time=realization.start if first > realization.start else last + timedelta(hours=1),
        )
    return covered


def inspect_values(
    forcing: ForcingReader,
    realization: Realization,
    ids: Sequence[str],
    sources: Sequence[Source],
    gaps_filled: frozenset[str],
    findings: Findings,
) -> None:
    """Read all weather of a run and note gaps, impossible values and units that lie.

    Parameters
    ----------
    forcing : ForcingReader
        The weather.
    realization : Realization
        The run.
    ids : sequence of str
        Catchments that have all hours.
    sources : sequence of Source
        Inputs to look at.
    gaps_filled : frozenset of str
        Catchments whose configuration says what to do where values are missing.
    findings : Findings
        Where findings go.
    """
    if not ids or not sources:
        return
    subject = Subject("forcing-file", forcing.source, "repair or replace the file")
    summaries = findings.attempt(subject, _summaries, forcing, realization, ids, sources)
    for source, summary in zip(sources, summaries or (), strict=False):
        report = _Report(forcing, source, summary, ids, realization.n_steps)
        for finding in (report.gaps(gaps_filled), report.units() or report.impossible() or report.strange_means() or report.too_much()):
            if finding is not None:
                findings.found.append(finding)


@dataclass(eq=False)
class _Summary:
    """Statistics of one variable by catchment, in the forcing's unit, and the first bad hours."""

    n: int
    low: FloatArray = field(init=False)
    high: FloatArray = field(init=False)
    total: FloatArray = field(init=False)
    known: FloatArray = field(init=False)
    first_gap: dict[int, datetime] = field(default_factory=dict)
    first_impossible: dict[int, tuple[datetime, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.low, self.high = np.full(self.n, np.inf), np.full(self.n, -np.inf)
        self.total, self.known = np.zeros(self.n), np.zeros(self.n)

    @property
    def mean(self) -> FloatArray:
        mean: FloatArray = self.total / np.maximum(self.known, 1.0)
        return mean

    def add(self, block: FloatArray, start: datetime, variable: InputVariable, convert: Converter | None) -> None:
        """Take in some hours, shape (hours, N)."""
        low, high = block.min(axis=0), block.max(axis=0)
        if np.isnan(low).any():
            gaps = np.isnan(block)
            for i in np.flatnonzero(gaps.any(axis=0)):
                self.first_gap.setdefault(int(i), start + timedelta(hours=int(gaps[:, i].argmax())))
            low, high = np.where(gaps, np.inf, block).min(axis=0), np.where(gaps, -np.inf, block).max(axis=0)
            self.known += (~gaps).sum(axis=0)
            self.total += np.where(gaps, 0.0, block).sum(axis=0)
        else:
            self.known += len(block)
            self.total += block.sum(axis=0)
        self.low, self.high = np.minimum(self.low, low), np.maximum(self.high, high)
        for i in np.flatnonzero(~_possible(low, high, variable, convert)):
            if int(i) not in self.first_impossible:
                values = _converted(block[:, i], convert)
                hour = int((~((variable.low <= values) & (values <= variable.high) | np.isnan(values))).argmax())
                self.first_impossible[int(i)] = (start + timedelta(hours=hour), float(values[hour]))


def _converted(values: FloatArray, convert: Converter | None) -> FloatArray:
    return values if convert is None else convert(values)


def _possible(low: FloatArray, high: FloatArray, variable: InputVariable, convert: Converter | None) -> NDArray[np.bool_]:
    """Whether values between bounds, in the forcing's unit, are physically possible; bounds of no values at all (inf, -inf) are."""
    empty = low > high
    possible: NDArray[np.bool_] = (_converted(low, convert) >= variable.low) & (_converted(high, convert) <= variable.high)
    return empty | possible


def _summaries(forcing: ForcingReader, realization: Realization, ids: Sequence[str], sources: Sequence[Source]) -> list[_Summary]:
    summaries = [_Summary(len(ids)) for _ in sources]
    converters = [converter(forcing.units[source.column], source.variable.units) for source in sources]
    offset = (realization.start - forcing.start) // timedelta(hours=1)
    for first, hours in _stretches(realization.n_steps, len(ids)):
        start = realization.start + timedelta(hours=first)
        for source, summary, convert in zip(sources, summaries, converters, strict=True):
            summary.add(forcing.read(source.column, ids, offset + first, hours), start, source.variable, convert)
    return summaries


def _stretches(n_steps: int, n_catchments: int) -> Iterator[tuple[int, int]]:
    stretch = max(24, min(720, CHUNK_VALUES // n_catchments))
    for first in range(0, n_steps, stretch):
        yield first, min(stretch, n_steps - first)


@dataclass(frozen=True, eq=False)
class _Report:
    """Turns the summary of a variable into findings."""

    forcing: ForcingReader
    source: Source
    summary: _Summary
    ids: Sequence[str]
    hours: int

    @property
    def length(self) -> timedelta:
        return timedelta(hours=self.hours)

    @property
    def units_given(self) -> str:
        return self.forcing.units[self.source.column]

    @property
    def convert(self) -> Converter | None:
        return converter(self.units_given, self.source.variable.units)

    @property
    def where(self) -> str:
        return f"{self.forcing.source}: '{self.source.column}'"

    def finding(self, severity: Severity, kind: str, message: str, remedy: str, rows: Sequence[int], time: datetime | None) -> Finding:
        return Finding(
            severity=severity,
            kind=kind,
            message=f"{self.where} {message} for {listing([self.ids[row] for row in rows])}",
            place=str(self.forcing.source),
            remedy=remedy,
            catchments=tuple(self.ids[row] for row in rows),
            variable=self.source.column,
            time=time,
        )

    def gaps(self, gaps_filled: frozenset[str]) -> Finding | None:
        """Missing values: an error, unless the configurations say what to do then."""
        first = self.summary.first_gap
        if not first:
            return None
        rows = sorted(first)
        refused = any(self.ids[row] not in gaps_filled for row in rows)
        hours = int(self.hours * len(rows) - self.summary.known[rows].sum())
        time = min(first.values())
        return self.finding(
            Severity.ERROR if refused else Severity.NOTE,
            "forcing-gap",
            f"has missing values (NaN), {hours} in all, the first at {time},",
            "fill the gaps, or say in the BMI configs what to do there: missing_forcing: hold, or zero_rain" if refused else "none needed",
            rows,
            time,
        )

    def units(self) -> Finding | None:
        """Values that are impossible, or strange on average, but would be neither in another unit that is often met."""
        impossible = sorted(self.summary.first_impossible)
        rows = impossible or self._strange() or self._too_much()
        if not rows:
            return None
        low, high = self.summary.low[rows].min(), self.summary.high[rows].max()
        looks = next((units for units in NORMAL[self.source.variable.name].lookalikes if self._fits(units, rows)), None)
        if looks is None:
            return None
        return self.finding(
            Severity.ERROR if impossible else Severity.WARNING,
            "forcing-units",
            f"says its unit is '{self.units_given}', but its values ({low:g} to {high:g}) look like '{looks}',",
            f"set its unit to '{looks}', or convert the values to '{self.units_given}'",
            rows,
            min((self.summary.first_impossible[row][0] for row in impossible), default=None),
        )

    def _fits(self, units: str, rows: Sequence[int]) -> bool:
        """Whether values would be possible and normal in other units."""
        variable, normal = self.source.variable, NORMAL[self.source.variable.name]
        convert = converter(units, variable.units)
        mean = _converted(self.summary.mean[rows], convert)
        same = np.allclose(_converted(self.summary.mean[rows], self.convert), mean, rtol=1e-9, atol=0.0)
        possible = _possible(self.summary.low[rows], self.summary.high[rows], variable, convert).all()
        return bool(not same and possible and (mean >= normal.low).all() and (mean <= normal.high).all())

    def impossible(self) -> Finding | None:
        """Values that no weather has."""
        first, variable = self.summary.first_impossible, self.source.variable
        if not first:
            return None
        time, value = min(first.values())
        return self.finding(
            Severity.ERROR,
            "forcing-impossible",
            f"is {value:g} {variable.units} at {time}, expected {variable.low:g} to {variable.high:g} {variable.units},",
            "correct these values",
            sorted(first),
            time,
        )

    def _strange(self) -> list[int]:
        """Catchments whose mean is strange, where the run is long enough to tell."""
        normal = NORMAL[self.source.variable.name]
        mean = _converted(self.summary.mean, self.convert)
        low = (mean < normal.low) & (self.length >= normal.low_after)
        high = (mean > normal.high) & (self.length >= MONTH)
        return [int(row) for row in np.flatnonzero((low | high) & (self.summary.known > 0))]

    def strange_means(self) -> Finding | None:
        """Means over a long run that are met nowhere on land."""
        rows = self._strange()
        if not rows:
            return None
        normal, units = NORMAL[self.source.variable.name], self.source.variable.units
        mean = float(_converted(self.summary.mean[rows], self.convert)[0])
        return self.finding(
            Severity.WARNING,
            "forcing-strange",
            f"has a mean of {mean:.3g} {units} over the run, expected {normal.low:.3g} to {normal.high:.3g} {units},",
            "look at the data and at their unit",
            rows,
            None,
        )

    def _amounts(self) -> FloatArray:
        """Precipitation over the run, mm, where it is that of the hours that are known."""
        amounts: FloatArray = _converted(self.summary.mean, self.convert) * self.hours
        return amounts

    def _too_much(self) -> list[int]:
        """Catchments with more precipitation over the run than is plausible in so many hours."""
        if self.source.variable is not PRECIPITATION:
            return []
        return [int(row) for row in np.flatnonzero(self._amounts() > PLAUSIBLE_SHARE * record_rainfall(self.hours))]

    def too_much(self) -> Finding | None:
        """More precipitation over the run than is plausible in so many hours, if they are too few for their mean to tell."""
        rows = self._too_much()
        if not rows:
            return None
        return self.finding(
            Severity.WARNING,
            "forcing-strange",
            f"sums up to {self._amounts()[rows].max():.0f} mm in the {self.hours} hours of the run; the most ever measured in "
            f"so long a time is about {record_rainfall(self.hours):.0f} mm,",
            "look at the data and at their unit",
            rows,
            None,
        )
