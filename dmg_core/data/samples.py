"""Samples: what was observed once, each on its own, without a time axis; and how groups of them are split and scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dmg_core.data.basins import BasinData, Observed
from dmg_core.data.splits import Split
from dmg_core.errors import ConfigError, ForcingError

FloatArray = NDArray[np.float64]

#: The one day that all samples have in place of a time axis.
NO_TIME: Final = np.datetime64("2000-01-01")


@dataclass(frozen=True, eq=False)
class SampleData(BasinData):
    """Samples in the form that learning takes: a column for each, with one step.

    Attributes
    ----------
    labels : tuple of str
        The group of each sample, such as its plant type: samples of a group are scored together.

    Raises
    ------
    ForcingError, AttributeTableError
        As :class:`~dmg_core.data.basins.BasinData`; or if labels are missing.
    """

    labels: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        ids: Sequence[str],
        labels: Sequence[str],
        forcing: FloatArray,
        observed: FloatArray,
        attributes: FloatArray,
        *,
        forcing_names: Sequence[str],
        attribute_names: Sequence[str],
        observed_name: str,
    ) -> SampleData:
        """Put N samples together.

        Parameters
        ----------
        ids, labels : sequence of str, length N
            Names of the samples, and the group of each.
        forcing : ndarray, shape (N, F)
            Conditions under which they were observed.
        observed : ndarray, shape (N,)
            What was observed; NaN where nothing was.
        attributes : ndarray, shape (N, A)
            Properties of what was observed.
        forcing_names, attribute_names : sequence of str
            The F conditions, by the symbols of the process model, and the A properties.
        observed_name : str
            What was observed.
        """
        nowhere = np.full(len(ids), np.nan)
        return cls(
            ids=tuple(ids),
            dates=np.array([NO_TIME], "datetime64[D]"),
            forcing=forcing[None],
            flow=observed[None],
            attributes=attributes,
            attribute_names=tuple(attribute_names),
            upstream_area=nowhere,
            elevation=nowhere,
            latitude=nowhere,
            longitude=nowhere,
            forcing_names=tuple(forcing_names),
            observed_name=observed_name,
            labels=tuple(labels),
        )

    @property
    def groups(self) -> tuple[str, ...]:
        """Group of each sample."""
        return self.labels

    def select(self, ids: Sequence[str]) -> BasinData:
        """Take some of the samples, in the order given; see :meth:`~dmg_core.data.basins.BasinData.select`."""
        label = dict(zip(self.ids, self.labels, strict=True))
        return self._selected(ids, labels=tuple(label.get(each, "") for each in ids))

    def _require_places(self) -> None:
        """Check labels; samples need no place."""
        if len(self.labels) != len(self.ids) or len(self.dates) != 1:
            raise ForcingError(f"{len(self.ids)} samples have {len(self.labels)} labels and {len(self.dates)} steps; expected one each")


def columns_of(groups: Sequence[str]) -> dict[str, NDArray[np.intp]]:
    """Give the columns of each group, in the order in which they first appear."""
    found: dict[str, list[int]] = {}
    for column, group in enumerate(groups):
        found.setdefault(group, []).append(column)
    return {group: np.array(columns, np.intp) for group, columns in found.items()}


def side_by_side(values: FloatArray, columns: Sequence[NDArray[np.intp]]) -> FloatArray:
    """Rearrange columns (T, B) so that each group is one: shape (T n, G), n members of the largest; the others end with NaN."""
    longest = max((len(each) for each in columns), default=0)
    found = np.full((longest * len(values), len(columns)), np.nan)
    for place, each in enumerate(columns):
        found[: len(values) * len(each), place] = values[:, each].T.reshape(-1)
    return found


def split_samples(data: Observed, *, held_out: float = 0.2, tested: float = 0.0, seed: int = 0) -> Split:
    """Hold out random shares of the samples of each group.

    Parameters
    ----------
    data : Observed
        Samples, or others with groups.
    held_out, tested : float
        Shares that are validated on, and that are kept for tests.
    seed : int
        Of the random choice.

    Raises
    ------
    ConfigError
        If the shares are none, or leave nothing to learn from.
    """
    if not (0.0 < held_out < 1.0 and 0.0 <= tested < 1.0 and held_out + tested < 1.0):
        raise ConfigError(
            f"split samples: held_out is {held_out} and tested {tested}; expected shares above 0 and 0 or more, together below 1"
        )
    rng, part = np.random.default_rng(seed), np.zeros(len(data.ids), np.int64)
    for columns in columns_of(data.groups).values():
        order = rng.permutation(columns)
        part[order[: round((held_out + tested) * len(order))]] = 1
        part[order[: round(tested * len(order))]] = 2
    return _of_columns("samples", {"held_out": held_out, "tested": tested, "seed": seed}, data, part)


def hold_out_group(data: Observed, group: str) -> Split:
    """Validate on one group, learn from the others.

    Raises
    ------
    ConfigError
        If there is no such group, or no other.
    """
    known = columns_of(data.groups)
    if group not in known or len(known) < 2:
        raise ConfigError(f"split group: held_out is {group!r}, expected one of several groups; there are {', '.join(known)}")
    part = np.zeros(len(data.ids), np.int64)
    part[known[group]] = 1
    return _of_columns("group", {"held_out": group}, data, part)


def _of_columns(kind: str, settings: dict[str, Any], data: Observed, part: NDArray[np.int64]) -> Split:
    """Make a split in which a column is wholly in a part: 0 to learn from, 1 to validate on, 2 for tests."""
    everywhere = np.ones((len(data.dates), 1), np.bool_)
    return Split(kind, settings, data.ids, data.dates, *(everywhere & (part == which) for which in range(3)))
