"""A run without assimilation, from which windows are cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dmg_core.assimilation.windows import Array, Windows, routed
from dmg_core.data import BasinData
from dmg_core.equations.series import simulate_series
from dmg_core.errors import ConfigError
from dmg_core.learning.data.material import Inputs, tensors_of, with_inputs
from dmg_core.model import DeltaModel
from dmg_core.models import Parameter, ProcessModel
from dmg_core.physics import Physics


@dataclass(frozen=True, eq=False)
class OpenLoop:
    """A run of B catchments through T steps, with the state before each.

    Attributes
    ----------
    process : ProcessModel
        The model.
    dynamic : tuple of Parameter
        Those that vary in time.
    ids : tuple of str
        Catchments.
    dates : NDArray[np.datetime64], shape (T,)
        Of the steps.
    forcing, fractions, parameters, site, weights
        See :class:`~dmg_core.assimilation.windows.Windows`, with B in the place of N.
    stores : ndarray, shape (T + 1, B, K, S)
        Before each step, and after the last.
    in_transit : ndarray, shape (T + 1, B, L - 1)
        The same of what is on its way, all kinds together.
    flow : ndarray, shape (T, B)
        Routed.
    observed : ndarray, shape (T, B)
        NaN where there is none.
    """

    process: ProcessModel
    dynamic: tuple[Parameter, ...]
    ids: tuple[str, ...]
    dates: NDArray[np.datetime64]
    forcing: Array
    fractions: NDArray[Any]
    parameters: Array
    site: Array
    weights: Array
    stores: Array
    in_transit: Array
    flow: Array
    observed: Array

    def windows(self, ends: Sequence[int] | NDArray[np.intp], length: int, lead: int, spread: Array, level: Array) -> Windows:
        """Cut windows of all catchments, followed by the steps of a forecast; catchment by catchment within each end.

        Parameters
        ----------
        ends : sequence of int
            The last step of each window, E of them.
        length, lead : int
            Steps of the windows and of the forecasts.
        spread, level : ndarray, shape (B, K, S)
            See :class:`~dmg_core.assimilation.windows.Windows`.

        Raises
        ------
        ConfigError
            If a window begins before the series, or a forecast ends after it.
        """
        last = np.asarray(ends, np.intp)
        self._require_within(last, length, lead)
        steps = last[None, :] + np.arange(-length + 1, lead + 1)[:, None]
        count, starts = len(last), last - length + 1

        def at_steps(values: NDArray[Any]) -> NDArray[Any]:
            return values[steps].reshape(len(steps), count * len(self.ids), *values.shape[2:])

        def repeated(values: NDArray[Any]) -> NDArray[Any]:
            return np.tile(values, (count, *(1,) * (values.ndim - 1)))

        def at_starts(values: NDArray[Any]) -> NDArray[Any]:
            return np.asarray(values[starts].reshape(count * len(self.ids), *values.shape[2:]))

        observed = at_steps(self.observed)
        observed[length:] = np.nan  # the future is not known
        return Windows(
            self.process,
            self.dynamic,
            tuple(f"catchment {gauge}, window to {self.dates[end]}" for end in last for gauge in self.ids),
            at_steps(self.forcing),
            at_steps(self.fractions),
            repeated(self.parameters),
            repeated(self.site),
            repeated(self.weights),
            at_starts(self.stores),
            at_starts(self.in_transit),
            repeated(spread),
            repeated(level),
            observed,
        )

    def _require_within(self, ends: NDArray[np.intp], length: int, lead: int) -> None:
        if length < 1 or lead < 0:
            raise ConfigError(f"a window of {length} and a lead of {lead} steps; expected at least 1 and 0")
        first, last = int(ends.min()) - length + 1, int(ends.max()) + lead
        if first < 0:
            raise ConfigError(
                f"the window of {length} steps that ends on {self.dates[ends.min()]} is longer than the series before it, which begins "
                f"on {self.dates[0]}: take a shorter window, or a later start"
            )
        if last >= len(self.dates):
            raise ConfigError(
                f"the forecast of {lead} steps after {self.dates[ends.max()]} ends after the weather, which ends on {self.dates[-1]}: "
                "take a shorter lead, or an earlier end"
            )


def joined_in_time(parts: Sequence[OpenLoop]) -> OpenLoop:
    """Put runs together of which each goes on from where the one before ends."""
    if len(parts) == 1:
        return parts[0]
    series = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in ("dates", "forcing", "fractions", "flow", "observed")
    }
    states = {
        name: np.concatenate([*(getattr(part, name)[:-1] for part in parts[:-1]), getattr(parts[-1], name)])
        for name in ("stores", "in_transit")
    }
    return replace(parts[-1], **series, **states)


def run_open_loop(model: DeltaModel, data: BasinData) -> OpenLoop:
    """Run a model through all days of some basins, by compiled code, and keep the state before each.

    Parameters
    ----------
    model : DeltaModel
        A daily model on CPU.
    data : BasinData
        B basins; memory for the states is taken for all at once.

    Raises
    ------
    DmgError
        If the data do not give what the model takes.
    """
    physics = model.physics
    if physics.process.steps_per_day != 1:
        raise ConfigError(f"process model {physics.process.name} has {physics.process.steps_per_day} steps a day; these series are daily")
    data = with_inputs(data, model.settings.attributes)
    inputs = Inputs(**tensors_of(data, physics.process, torch.float64))
    with torch.no_grad():
        x, traits = model.network_inputs(inputs.forcing, inputs.attributes)
        parts = physics.fractions(*model.network.series(x, traits, physics.columns))
        parameters, weights = physics.constants(parts.static.double(), parts.routing.double(), model.longest_delays(inputs.attributes))
        site = physics.site(len(data.ids), inputs.forcing, inputs.site(slice(None)))
        start = physics.initial_state(len(data.ids), inputs.forcing)
        dynamic = parts.dynamic.contiguous()
        stores, unrouted = _step_through(physics, inputs.forcing, dynamic, parameters, site, start.stores)
    in_transit = _in_transit(unrouted, weights.numpy())
    flow = routed(unrouted, weights.numpy(), in_transit[0])[: len(unrouted)]
    return OpenLoop(
        physics.process,
        physics.dynamic_parameters,
        data.ids,
        data.dates,
        inputs.forcing.numpy(),
        dynamic.numpy(),
        parameters.numpy(),
        site.numpy(),
        weights.numpy(),
        stores,
        in_transit,
        flow,
        data.flow,
    )


def _step_through(
    physics: Physics,
    forcing: torch.Tensor,
    fractions: torch.Tensor,
    parameters: torch.Tensor,
    site: torch.Tensor,
    stores: torch.Tensor,
) -> tuple[Array, Array]:
    """Give stores (T + 1, B, K, S) before each step and after the last, and what leaves (T, B)."""
    leaving = [tuple(flux.name for flux in physics.layout.routed)]
    held, unrouted = np.empty((len(forcing) + 1, *stores.shape)), np.empty(forcing.shape[:2])
    held[0] = stores.numpy()
    for step in range(len(forcing)):
        one = slice(step, step + 1)
        out, stores = simulate_series(
            physics.process,
            forcing[one],
            stores,
            parameters,
            site,
            dynamic=physics.dynamic_parameters,
            fractions=fractions[one],
            results=leaving,
        )
        held[step + 1], unrouted[step] = stores.numpy(), out[0, 0].numpy()
    return held, unrouted


def _in_transit(unrouted: Array, weights: Array) -> Array:
    """Give what is on its way before each step and after the last, (T + 1, B, L - 1)."""
    steps, length = len(unrouted), weights.shape[1]
    found = np.zeros((steps + 1, weights.shape[0], length - 1))
    for step in range(steps):
        found[step + 1, :, :-1] = found[step, :, 1:]
        found[step + 1] += unrouted[step][:, None] * weights[:, 1:]
    return found
