"""The differentiable form, without gradients, on any device."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dmg_core.deferred import torch
from dmg_core.engine.arrays import CatchmentArrays
from dmg_core.engine.backends.base import Array
from dmg_core.engine.calibration import UNCHANGED
from dmg_core.model import DeltaModel
from dmg_core.physics import PhysicsState


class TorchBackend:
    """Advances catchments by the differentiable form.

    Parameters
    ----------
    model : DeltaModel
        The model; it is moved to ``device``.
    device : torch.device
        Where to compute. State travels there and back at each call.
    """

    def __init__(self, model: DeltaModel, device: torch.device) -> None:
        self._model = model.to(device)
        self._device = device
        layout = model.physics.layout
        entering = {one.label: place for place, one in enumerate(model.physics.process.forcings) if one.enters}
        self._sums = [(place, name, entering.get(name)) for place, name in enumerate(layout.budget)]

    def bind(self, arrays: CatchmentArrays) -> None:
        """Take the arrays anew, after they were allocated or have grown."""
        self._arrays = arrays

    def one_step(self, forcing: Array, selection: Array, results: Array) -> Callable[[int], None]:
        """Give what advances one row by one step; see :class:`Backend`."""
        return lambda row: self.advance(row, row + 1, forcing, selection, results)

    @torch.inference_mode()
    def advance(self, first: int, last: int, forcing: Array, selection: Array, results: Array) -> None:
        """Advance rows through a series; see :class:`Backend`."""
        model, arrays, rows = self._model, self._arrays, slice(first, last)
        weather = self._tensor(forcing)
        x, _ = model.network_inputs(weather, self._tensor(arrays.attributes[rows]))
        held = tuple(self._tensor(part[rows]) for part in arrays.network.values())
        dynamic, held = model.dynamic_fractions(x, held)
        outputs, state = model.physics.simulate(
            weather,
            self._changed(dynamic.double(), rows),
            self._tensor(arrays.parameters[rows]),
            self._tensor(arrays.hydrograph[rows]),
            self._tensor(arrays.site[rows]),
            PhysicsState(self._tensor(arrays.stores[rows]), self._tensor(arrays.in_transit[rows])),
        )

        names = model.physics.layout.outputs
        for place, index in enumerate(selection):
            results[place] = outputs[names[index]].cpu().numpy()
        for part, values in zip(arrays.network.values(), held, strict=True):
            part[rows] = values.cpu().numpy()
        arrays.stores[rows] = state.stores.cpu().numpy()
        arrays.in_transit[rows] = state.in_transit.cpu().numpy()
        for place, name, column in self._sums:
            series = outputs[name].cpu().numpy() if column is None else forcing[..., column]
            arrays.budget[rows, place] += series.sum(0)

    def _tensor(self, array: Array) -> torch.Tensor:
        return torch.from_numpy(array).to(self._device)

    def _changed(self, fractions: torch.Tensor, rows: slice) -> torch.Tensor:
        """Apply the changes of calibration to dynamic parameters (T, n, n_dynamic, nmul) in [0, 1]."""
        change = self._arrays.dynamic_change[rows]
        if (change == UNCHANGED).all():
            return fractions
        factor, offset = self._tensor(change)[..., None].unbind(2)
        table = self._model.physics.dynamic_parameters
        bounds = np.array([(parameter.low, parameter.high) for parameter in table])
        low, high = self._tensor(bounds)[..., None].unbind(1)
        values = factor * (low + fractions * (high - low)) + offset
        return ((values - low) / (high - low)).clamp(0.0, 1.0)
