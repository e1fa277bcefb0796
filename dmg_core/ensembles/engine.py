"""The engine of an ensemble: engines of its members, with the same catchments in the same rows.

Weather is taken in once. Each member is stepped by its own backend, so that what holds of one model holds of the ensemble: the bits do not
depend on how a series is cut, nor on who is stepped together. Member m of one catchment belongs with member m of any other: it is one
model, and what is summed downstream is to be summed member by member.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from dmg_core.checkpoint import read_ensemble
from dmg_core.engine.backends import Backend
from dmg_core.engine.engine import Catchment, Engine
from dmg_core.engine.identity import Identity
from dmg_core.engine.rows import checked_rows
from dmg_core.engine.state import require_like
from dmg_core.engine.turns import in_turn
from dmg_core.ensembles.declaration import Ensemble
from dmg_core.ensembles.members import EnsembleMember, member_models
from dmg_core.ensembles.model import EnsembleModel
from dmg_core.ensembles.together import MembersTogether
from dmg_core.loading import model_reader

Array = npt.NDArray[Any]

#: Stands between the name of a member and that of one of its arrays in a state.
OF_MEMBER: Final = "/"
#: Name of the array of what a member gave last.
LAST: Final = "outputs"


class EnsembleEngine(Engine):
    """An ensemble and its catchments.

    Parameters
    ----------
    members : mapping of str to Engine
        Engines without catchments, two or more.
    weights : sequence of float
        Share of each in the mean; their sum is 1.

    Raises
    ------
    ConfigError
        If the members do not fit together (:class:`dmg_core.ensembles.Ensemble`).
    """

    def __init__(self, members: Mapping[str, Engine], weights: Sequence[float]) -> None:
        self._members, self.weights = dict(members), tuple(weights)
        model = EnsembleModel({name: member.whole_model() for name, member in members.items()})
        self._declaration = model.declaration
        super().__init__(model)

    @classmethod
    def of_folder(
        cls, folder: str | Path, dtype: str = "float32", device: str = "cpu", backend: str = "auto", threads: int = 1
    ) -> EnsembleEngine:
        """Make an engine from the folder of an ensemble; see :meth:`dmg_core.Engine.from_folder`."""
        ensemble = read_ensemble(folder)
        folders = dict(zip(ensemble.names, ensemble.members, strict=True))

        def engine(name: str, member: EnsembleMember) -> Engine:
            return Engine(member.model, device, backend, threads, model_reader(folders[name], dtype))

        return cls({name: engine(name, member) for name, member in member_models(ensemble, dtype).items()}, ensemble.weights)

    @property
    def members(self) -> Mapping[str, Engine]:
        """Engines of the members by name."""
        return self._members

    @property
    def is_compiled(self) -> bool:
        """Whether compiled code steps all members."""
        return all(member.is_compiled for member in self._members.values())

    def _make_backend(self, device: str, backend: str, threads: int) -> Backend:  # noqa: ARG002  # each member has its own
        self._together = MembersTogether(self._members, self.weights, self._declaration)
        return self._together

    @property
    def last_of_members(self) -> Mapping[str, Array]:
        """What each member gave in its last step; see :attr:`dmg_core.Engine.last_of_members`."""
        return self._together.last

    @in_turn
    def add(self, attributes: Mapping[str, Any], ids: Iterable[str] | None = None, *, repeated: bool = False) -> list[Catchment]:
        """Add catchments that start from nothing; see :meth:`dmg_core.Engine.add`."""
        catchments = super().add(attributes, ids, repeated=repeated)
        names = [catchment.id for catchment in catchments]
        for member in self._members.values():
            member.add({name: attributes[name] for name in member.attribute_names}, names, repeated=repeated)
        return catchments

    @in_turn
    def withdraw(self, catchment: Catchment) -> None:
        """Take back the catchment that was added last; see :meth:`dmg_core.Engine.withdraw`."""
        super().withdraw(catchment)
        for name, member in self._members.items():
            member.withdraw(Catchment(member, catchment.row))
            self.last_of_members[name][catchment.row] = 0.0

    @in_turn
    def reset_budget(self, rows: slice | None = None) -> None:
        """Start the sums of the members' water budgets anew; see :meth:`dmg_core.Engine.reset_budget`."""
        for member in self._members.values():
            member.reset_budget(rows)

    @in_turn
    def budget(self) -> dict[str, npt.NDArray[np.float64]]:
        """Balance of each member, with its name and a point before each term; see :meth:`dmg_core.Engine.budget`."""
        return {f"{name}.{term}": sums for name, member in self._members.items() for term, sums in member.budget().items()}

    @cached_property
    def identity(self) -> Identity:
        """What members, weighted how, the states of this engine belong to."""
        members = {name: member.identity for name, member in self._members.items()}
        description = {
            "physics": Ensemble.name,
            "weights": list(self.weights),
            "members": {name: identity.description for name, identity in members.items()},
        }
        digests = [identity.digest for identity in members.values()]
        return Identity(description, hashlib.sha256(json.dumps([description, digests], sort_keys=True).encode()).hexdigest())

    def state_arrays(self) -> dict[str, Array]:
        """Arrays, a row for each catchment, that are the state of all members, and what they gave last."""
        states = {name: member.state_arrays() for name, member in self._members.items()}
        arrays = {f"{name}{OF_MEMBER}{each}": array for name, state in states.items() for each, array in state.items()}
        return {**arrays, **{f"{name}{OF_MEMBER}{LAST}": array for name, array in self.last_of_members.items()}}

    @in_turn
    def capture(self, rows: slice) -> dict[str, Array]:
        """Copy the state of some catchments; see :meth:`dmg_core.Engine.capture`."""
        rows = checked_rows(rows, len(self))
        captured = {name: member.capture(rows) for name, member in self._members.items()}
        arrays = {f"{name}{OF_MEMBER}{each}": array for name, state in captured.items() for each, array in state.items()}
        return {**arrays, **{f"{name}{OF_MEMBER}{LAST}": array[rows].copy() for name, array in self.last_of_members.items()}}

    def require_restorable(self, row: int, state: Mapping[str, Array], where: str, *, accept_changes: bool) -> None:
        """Refuse a state that a member cannot go on from; see :meth:`dmg_core.Engine.restore`."""
        for name, member in self._members.items():
            require_like(f"{name}{OF_MEMBER}{LAST}", state, self.last_of_members[name][row], where)
            member.require_restorable(row, part_of(state, name), f"{where}: member {name}", accept_changes=accept_changes)

    def _take_over(self, row: int, state: Mapping[str, Array], where: str) -> None:
        for name, member in self._members.items():
            member._take_over(row, part_of(state, name), f"{where}: member {name}")
            self.last_of_members[name][row] = state[f"{name}{OF_MEMBER}{LAST}"]

    def _settle(self, rows: slice, *, more_to_come: bool = False) -> None:
        for member in self._members.values():
            member._settle(rows, more_to_come=more_to_come)
        self._unsettled = any(member._unsettled for member in self._members.values())

    def _settle_from_series(self, rows: slice, series: npt.NDArray[np.float64]) -> None:
        for name, member in self._members.items():
            if member.model.static_from_series:
                member._settle_from_series(rows, self._together.forcing_of(name, series))
            else:
                member._settle(rows, more_to_come=rows != slice(0, len(self)))
        self._unsettled = any(member._unsettled for member in self._members.values())


def part_of(state: Mapping[str, Array], member: str) -> dict[str, Array]:
    """Give the arrays of a member in the state of an ensemble, by the names they have in its own."""
    prefix = member + OF_MEMBER
    return {name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)}
