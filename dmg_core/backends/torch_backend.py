"""The differentiable form, without gradients, on any device."""

from __future__ import annotations

import numpy as np
import torch

from dmg_core.arrays import CatchmentArrays
from dmg_core.backends.base import Array
from dmg_core.calibration import UNCHANGED
from dmg_core.model import DeltaModel
from dmg_core.physics.equations import Site, stores_of
from dmg_core.physics.hbv import OUTPUTS, HbvState
from dmg_core.physics.kernels import STEP_BUDGET, parameter_columns


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

    def bind(self, arrays: CatchmentArrays) -> None:
        """Take the arrays anew, after they were allocated or have grown."""
        self._arrays = arrays

    @torch.inference_mode()
    def advance(self, first: int, last: int, forcing: Array, selection: Array, results: Array) -> None:
        """Advance rows through a series; see :class:`Backend`."""
        model, arrays, rows = self._model, self._arrays, slice(first, last)
        weather = self._tensor(forcing)
        x, _ = model.network_inputs(weather, self._tensor(arrays.attributes[rows]))
        dynamic, (h, c) = model.dynamic_fractions(x, (self._tensor(arrays.h[rows]), self._tensor(arrays.c[rows])))
        outputs, state = model.physics.simulate(
            weather,
            self._changed(dynamic.double(), rows),
            self._static(rows),
            self._tensor(arrays.hydrograph[rows]),
            self._site(rows),
            self._state(rows),
        )

        for place, index in enumerate(selection):
            results[place] = outputs[OUTPUTS[index]].cpu().numpy()
        arrays.h[rows], arrays.c[rows] = h.cpu().numpy(), c.cpu().numpy()
        arrays.stores[rows] = torch.stack(list(state.stores), dim=-1).cpu().numpy()
        arrays.in_transit[rows] = state.in_transit.permute(2, 0, 1).cpu().numpy()
        arrays.budget[rows, 0] += forcing[..., 0].sum(0)
        for place, name in enumerate(STEP_BUDGET[1:], start=1):
            arrays.budget[rows, place] += outputs[name].sum(0).cpu().numpy()

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

    def _static(self, rows: slice) -> dict[str, torch.Tensor]:
        symbols = parameter_columns(self._model.physics.variant)
        return dict(zip(symbols, self._tensor(self._arrays.parameters[rows]).unbind(-1), strict=True))

    def _site(self, rows: slice) -> Site:
        site = self._arrays.site[rows]
        return Site(*(self._tensor(site[name][:, None].copy()) for name in Site._fields))

    def _state(self, rows: slice) -> HbvState:
        stores = stores_of(self._model.physics.variant)(*self._tensor(self._arrays.stores[rows]).unbind(-1))
        return HbvState(stores, self._tensor(self._arrays.in_transit[rows]).permute(1, 2, 0))
