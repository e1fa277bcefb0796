"""What an analysis is made of: stretches of series of many catchments, each with where it starts and what was observed in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from dmg_core.data.plausibility import FLOW_LIMITS
from dmg_core.equations.series import simulate_series
from dmg_core.errors import ConfigError, ForcingError
from dmg_core.models import Parameter, ProcessModel

Array = NDArray[np.float64]

#: Axis of the windows in each array.
_AXES: Final = {"forcing": 1, "fractions": 1, "observed": 1}


class Run(NamedTuple):
    """What comes of a run through windows."""

    flow: Array
    """Routed flow, (T, N)."""
    stores: Array
    """At the end, (N, K, S)."""
    in_transit: Array
    """On its way at the end, by step of arrival, (N, L - 1)."""


class Pull(NamedTuple):
    """Derivatives of a number by what a run starts from."""

    stores: Array
    """(N, K, S)"""
    forcing: Array
    """(T, N, F)"""
    in_transit: Array
    """(N, L - 1)"""


@dataclass(frozen=True, eq=False)
class Windows:
    """N windows of T steps, of K components each: of one catchment or of many, at one time or at many.

    Attributes
    ----------
    process : ProcessModel
        The model; it has routed fluxes.
    dynamic : tuple of Parameter
        Its D parameters that vary in time.
    names : tuple of str
        What each window is called in messages: catchment and last day, or the like.
    forcing : ndarray, shape (T, N, F)
        Forcings in declared order.
    fractions : ndarray of float32 or float64, shape (T, N, D, K)
        Dynamic parameters in [0, 1].
    parameters : ndarray, shape (N, K, P)
        Physical values of the static ones.
    site : ndarray, shape (N, A)
        What the equations read of the catchments.
    weights : ndarray, shape (N, L)
        Of the routing.
    stores : ndarray, shape (N, K, S)
        At the beginning, without assimilation.
    in_transit : ndarray, shape (N, L - 1)
        Flow on its way at the beginning, all kinds together, by step of arrival, without assimilation.
    spread : ndarray, shape (N, K, S)
        Standard deviation of each store in a run without assimilation, in its unit.
    level : ndarray, shape (N, K, S)
        Mean of each store in that run.
    observed : ndarray, shape (T, N)
        Flow per step; NaN where there is none.

    Raises
    ------
    ConfigError
        If the model has no routed fluxes.
    ForcingError
        If an observation cannot be flow; window, step and value are named.
    """

    process: ProcessModel
    dynamic: tuple[Parameter, ...]
    names: tuple[str, ...]
    forcing: Array
    fractions: NDArray[Any]
    parameters: Array
    site: Array
    weights: Array
    stores: Array
    in_transit: Array
    spread: Array
    level: Array
    observed: Array

    def __post_init__(self) -> None:
        """Refuse what cannot be assimilated."""
        if not self.routed:
            raise ConfigError(f"process model {self.process.name} has no routed flux: there is no flow at a gauge to assimilate into")
        require_flow(self.observed, self.names)

    def __len__(self) -> int:
        """Count the windows."""
        return len(self.names)

    @property
    def routed(self) -> tuple[str, ...]:
        """Fluxes whose sum, after routing, is observed."""
        return tuple(flux.name for flux in self.process.fluxes if flux.routed)

    @property
    def store_unknowns(self) -> tuple[int, int]:
        """How many unknowns the stores have: components and stores, each its own."""
        return self.stores.shape[1], self.stores.shape[2]

    def given_to_units(self, unknowns: Array) -> Array:
        """Give each unit basin its unknowns (N, n): a window is one."""
        return unknowns

    def shared(self, values: Array) -> Array:
        """Add up derivatives (N, ·) by unknowns that unit basins share: a window shares with none."""
        return values

    def by_store(self, values: Array) -> Array:
        """Add up derivatives (N, K, S) by unknowns of stores that are shared: none are."""
        return values

    def take(self, rows: NDArray[np.intp] | slice) -> Windows:
        """Take some of the windows."""
        chosen = range(len(self))[rows] if isinstance(rows, slice) else rows
        arrays = {
            one.name: getattr(self, one.name)[(slice(None),) * _AXES.get(one.name, 0) + (rows,)]
            for one in fields(self)
            if one.name not in {"process", "dynamic", "names"}
        }
        return replace(self, names=tuple(self.names[row] for row in chosen), **arrays)

    def first(self, steps: int) -> Windows:
        """Take the first steps of each window."""
        return replace(self, forcing=self.forcing[:steps], fractions=self.fractions[:steps], observed=self.observed[:steps])

    def rest(self, steps: int) -> Windows:
        """Take what follows the first steps of each window; where it starts is not moved on."""
        return replace(self, forcing=self.forcing[steps:], fractions=self.fractions[steps:], observed=self.observed[steps:])

    def run(self, stores: Array, forcing: Array, in_transit: Array) -> Run:
        """Run through all windows from given stores and water in transit, with given forcing."""
        with torch.no_grad():
            unrouted, last = self._simulate(torch.from_numpy(stores), torch.from_numpy(forcing))
        arriving = routed(unrouted[0].numpy(), self.weights, in_transit)
        return Run(arriving[: len(forcing)], last.numpy(), arriving[len(forcing) :].T.copy())

    def run_with_pull(self, stores: Array, forcing: Array, in_transit: Array, pull_of: Any, *, by_forcing: bool) -> tuple[Array, Pull]:
        """Run through all windows, and pull a number's derivatives by the flow back to what the run started from.

        Parameters
        ----------
        stores, forcing, in_transit : ndarray
            See :meth:`run`.
        pull_of : callable
            Gives the derivatives (T, N) for the flow (T, N).
        by_forcing : bool
            Whether those by the forcing are wanted; zeros otherwise.
        """
        start, weather = torch.from_numpy(stores).requires_grad_(), torch.from_numpy(forcing).requires_grad_(by_forcing)
        with torch.enable_grad():
            unrouted, _ = self._simulate(start, weather)
        flow = routed(unrouted.detach()[0].numpy(), self.weights, in_transit)[: len(forcing)]
        pull = pull_of(flow)
        wanted = (start, weather) if by_forcing else (start,)
        found = torch.autograd.grad(unrouted, wanted, torch.from_numpy(spread_back(pull, self.weights)[None]))
        by_transit = np.zeros_like(in_transit)
        reach = min(len(pull), in_transit.shape[1])
        by_transit[:, :reach] = pull[:reach].T
        return flow, Pull(found[0].numpy(), found[1].numpy() if by_forcing else np.zeros_like(forcing), by_transit)

    def _simulate(self, stores: torch.Tensor, forcing: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        fixed = (torch.from_numpy(each) for each in (self.parameters, self.site))
        return simulate_series(
            self.process,
            forcing,
            stores,
            *fixed,
            dynamic=self.dynamic,
            fractions=torch.from_numpy(self.fractions),
            results=[self.routed],
        )


def require_flow(observed: Array, names: Sequence[str]) -> None:
    """Refuse observations (T, N) that cannot be flow.

    Raises
    ------
    ForcingError
        Naming window, step and value.
    """
    with np.errstate(invalid="ignore"):
        wrong = (observed < 0.0) | (observed > FLOW_LIMITS.highest)
    if wrong.any():
        step, window = (int(found) for found in np.argwhere(wrong)[0])
        raise ForcingError(
            f"{names[window]}: the observation of step {step + 1} of the window is {observed[step, window]:g} mm, "
            f"expected 0 to {FLOW_LIMITS.highest:g} mm, or NaN where there is none"
        )


def routed(unrouted: Array, weights: Array, in_transit: Array) -> Array:
    """Route series (T, N); gives what arrives in each step and, in L - 1 further rows, what is still on its way.

    Sums run in one order whatever the number of windows, so that a window gets the same bits in any company.
    """
    steps, length = len(unrouted), weights.shape[1]
    arriving = np.zeros((steps + length - 1, unrouted.shape[1]))
    arriving[: length - 1] += in_transit.T
    for lag in range(length):
        arriving[lag : lag + steps] += unrouted * weights[:, lag]
    return arriving


def spread_back(pull: Array, weights: Array) -> Array:
    """Give the derivatives by what is routed, (T, N), of a number whose derivatives by what arrives are ``pull``, (T, N)."""
    back = np.zeros_like(pull)
    for lag in range(min(weights.shape[1], len(pull))):
        back[: len(pull) - lag] += pull[lag:] * weights[:, lag]
    return back


def joined(parts: Sequence[Windows]) -> Windows:
    """Put windows of one model and length together."""
    arrays = {
        one.name: np.concatenate([getattr(part, one.name) for part in parts], axis=_AXES.get(one.name, 0))
        for one in fields(Windows)
        if one.name not in {"process", "dynamic", "names"}
    }
    return replace(parts[0], names=tuple(name for part in parts for name in part.names), **arrays)
