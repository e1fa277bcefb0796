"""Members of an ensemble advanced one after the other, and what is made of what they give."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dmg_core.engine.arrays import CatchmentArrays
from dmg_core.engine.engine import Engine
from dmg_core.ensembles.declaration import STD, Ensemble
from dmg_core.models import Layout

Array = npt.NDArray[Any]


class _Plan(NamedTuple):
    """How some outputs of an ensemble are made of those of its members."""

    members: dict[str, Array]
    """Places of K outputs among those of each member."""
    means: Array
    """Places of K outputs among those that are wanted."""
    spread: tuple[int, int] | None
    """Place of the standard deviation among those that are wanted, and of what it is of among the K outputs."""
    forcings: tuple[tuple[int, int], ...]
    """Place among those that are wanted, and of the forcing that it is."""


class MembersTogether:
    """Advances the members of an ensemble, and gives their mean and spread; see :class:`dmg_core.engine.backends.Backend`.

    Attributes
    ----------
    last : dict of str to ndarray
        See :attr:`EnsembleEngine.last_of_members`.
    """

    def __init__(self, members: Mapping[str, Engine], weights: Sequence[float], ensemble: Ensemble) -> None:
        self._members, self._weights, self._ensemble = members, weights, ensemble
        self._layout = Layout.of(ensemble)
        names = [forcing.name for forcing in ensemble.forcings]
        self._columns = {
            name: np.array([names.index(forcing.name) for forcing in member.model.physics.process.forcings])
            for name, member in members.items()
        }
        self._takes_all = {name: columns.tolist() == list(range(len(names))) for name, columns in self._columns.items()}
        self._every = {name: np.arange(len(member.outputs)) for name, member in members.items()}
        # That of a sample, so that a few members are not taken to be all there are; with weights that are not alike likewise.
        self._of_sample = 1.0 / (1.0 - sum(weight * weight for weight in weights))
        self._plans: dict[bytes, _Plan] = {}
        self.last = {name: np.zeros((0, len(member.outputs))) for name, member in members.items()}

    def bind(self, arrays: CatchmentArrays) -> None:
        """Make room for what members give."""
        for name, known in self.last.items():
            larger = np.zeros((arrays.capacity, known.shape[1]))
            larger[: len(known)] = known
            self.last[name] = larger

    def forcing_of(self, member: str, series: Array) -> Array:
        """Give the forcings of a member, of those of the ensemble on the last axis."""
        return series if self._takes_all[member] else np.ascontiguousarray(series[..., self._columns[member]])

    def advance(self, first: int, last: int, forcing: Array, selection: Array, results: Array) -> None:
        """Advance rows of all members through a series."""
        plan = self._planned(selection)
        given = [self._advance_member(name, first, last, self.forcing_of(name, forcing), places) for name, places in plan.members.items()]
        self._combine(plan, given, forcing, results)

    def one_step(self, forcing: Array, selection: Array, results: Array) -> Callable[[int], None]:
        """Give what advances one row of all members by one step; see :class:`dmg_core.engine.backends.Backend`."""
        plan = self._planned(selection)
        members = [(self._members[name], self._columns[name], name, places) for name, places in plan.members.items()]

        def step(row: int) -> None:
            given = []
            for member, columns, name, places in members:
                member._one_forcing[0, 0] = forcing[0, 0, columns]
                member._advance_one(row)
                every = member._one_result
                self.last[name][row] = every[:, 0, 0]
                given.append(every[places])
            self._combine(plan, given, forcing, results)

        return step

    def _combine(self, plan: _Plan, given: Sequence[Array], forcing: Array, results: Array) -> None:
        """Make outputs of those of the members, each (K, T, n), and of the forcing."""
        mean = self._mean(given)
        results[plan.means] = mean[: len(plan.means)]
        if plan.spread is not None:
            place, of = plan.spread
            results[place] = np.sqrt(self._of_sample * self._mean([(values[of] - mean[of]) ** 2 for values in given]))
        for place, column in plan.forcings:
            results[place] = forcing[..., column]

    def _planned(self, selection: Array) -> _Plan:
        """Give the plan for a selection of outputs, made once."""
        key = selection.tobytes()
        return self._plans.get(key) or self._plans.setdefault(key, self._plan(selection.tolist()))

    def _plan(self, selection: Sequence[int]) -> _Plan:
        wanted = [self._layout.outputs[place] for place in selection]
        main, back = self._ensemble.main, self._layout.given_back
        spread = wanted.index(main + STD) if main + STD in wanted else None
        averaged = [name for name in wanted if name not in back and name != main + STD]
        needed = [*averaged, *([main] if spread is not None and main not in averaged else [])]
        return _Plan(
            members={name: np.array([each.outputs.index(one) for one in needed], np.int64) for name, each in self._members.items()},
            means=np.array([wanted.index(name) for name in averaged], np.int64),
            spread=None if spread is None else (spread, needed.index(main)),
            forcings=tuple((place, back[name]) for place, name in enumerate(wanted) if name in back),
        )

    def _mean(self, values: Sequence[Array]) -> Array:
        """Weighted mean, member after member in their order."""
        mean: Array = self._weights[0] * values[0]
        for weight, value in zip(self._weights[1:], values[1:], strict=True):
            mean += weight * value
        return mean

    def _advance_member(self, name: str, first: int, last: int, forcing: Array, places: Array) -> Array:
        """Give some outputs (K, T, n) of a member, and note all of its last step."""
        member, steps = self._members[name], len(forcing)
        every = np.empty((len(member.outputs), 1, last - first))
        if steps == 1:
            member._advance_rows(first, last, forcing, self._every[name], every)
            given: Array = every[places]
        else:
            before = np.empty((len(places), steps - 1, last - first))
            member._advance_rows(first, last, forcing[:-1], places, before)
            member._advance_rows(first, last, forcing[-1:], self._every[name], every)
            given = np.concatenate([before, every[places]], axis=1)
        self.last[name][first:last] = every[:, 0].T
        return given
