"""The runoff of a series as one differentiable operation, on CPU by compiled code.

Thousands of small tensor operations, one after the other, take most of the time of learning on CPU. Here the forward and the reverse
run of a whole series are one call each (:mod:`dmg_core.physics.lanes`).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dmg_core.parameters import Parameter, Variant
from dmg_core.physics.adjoint import Parameters
from dmg_core.physics.equations import AnyStores, Site
from dmg_core.physics.lanes import Series, group_dtype, reverse_kernel, simulation_kernel


class _Runoff(torch.autograd.Function):
    """Runoff and last stores from dynamic parameters, static ones and first stores, with the reverse run as its derivative."""

    @staticmethod
    def forward(
        context: Any,
        variant: Variant,
        weather: Tensor,
        site: Tensor,
        dynamic: tuple[Parameter, ...],
        nz: float,
        recorded: bool,
        fractions: Tensor,
        parameters: Tensor,
        stores: Tensor,
    ) -> tuple[Tensor, Tensor]:
        steps, catchments, _, components = fractions.shape
        series = _series(variant, weather, site, dynamic, nz, fractions, parameters)
        record = np.empty((catchments * components if recorded else 0, steps if recorded else 0, stores.shape[1]))
        flow, last = np.zeros((steps, catchments)), stores.detach().numpy().copy()
        kernel = simulation_kernel(variant, str(fractions.dtype))
        _in_threads(variant, lambda first, end, group: kernel(first, end, series, group, last, flow, record), catchments)
        context.run = variant, series, record
        context.of = fractions.dtype
        return torch.from_numpy(flow), torch.from_numpy(last)

    @staticmethod
    def backward(context: Any, dflow: Tensor, dlast: Tensor) -> tuple[Tensor | None, ...]:
        variant, series, record = context.run
        dflow_, dstores = dflow.contiguous().numpy(), dlast.contiguous().numpy().copy()
        dparameters, dfractions = np.empty_like(series.parameters), np.empty_like(series.fractions)
        kernel = reverse_kernel(variant, str(context.of))
        _in_threads(
            variant,
            lambda first, end, group: kernel(first, end, series, group, record, dflow_, dstores, dparameters, dfractions),
            dflow.shape[1],
        )
        return (None,) * 6 + (torch.from_numpy(dfractions), torch.from_numpy(dparameters), torch.from_numpy(dstores))


def runoff(
    variant: Variant,
    weather: Tensor,
    dynamic: tuple[Parameter, ...],
    fractions: Tensor,
    static: dict[str, Tensor],
    site: Site,
    stores: AnyStores,
    nz: float,
) -> tuple[Tensor, AnyStores]:
    """Run a series on CPU; the equations run in float64 whatever the precision of the parameters.

    Parameters
    ----------
    variant : Variant
        Member of the family.
    weather : Tensor, shape (T, B, 3)
        Precipitation (mm per step), temperature (°C), potential evapotranspiration (mm per step). No gradient flows to it.
    dynamic : tuple of Parameter
        Dynamic parameters, D of them.
    fractions : Tensor of float32 or float64, shape (T, B, D, K)
        Their values in [0, 1].
    static : dict of str to Tensor (B, K)
        Physical values of the static parameters, by symbol.
    site : Site
        Tensors (B, 1).
    stores : Stores or CascadeStores
        Where to start, tensors (B, K), mm; those of the variant.
    nz : float
        Least content of a store, mm.

    Returns
    -------
    Tensor of float64, shape (T, B)
        Runoff before routing, mean of the components, mm per step.
    Stores or CascadeStores
        Where the series ends, tensors of float64 (B, K).
    """
    catchments, components = fractions.shape[1], fractions.shape[3]
    none, one = torch.zeros(catchments, components, dtype=torch.float64), torch.ones(catchments, components, dtype=torch.float64)
    symbols = {symbol: one if symbol == "BETAET" else none for symbol in Parameters._fields} | static
    parameters = torch.stack([symbols[symbol].double() for symbol in Parameters._fields], dim=1)
    places = torch.cat([value.double() for value in site], dim=1)
    first = torch.stack([store.double() for store in stores], dim=1)
    recorded = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (fractions, parameters, first))
    flow, last = _Runoff.apply(variant, weather.double(), places, dynamic, nz, recorded, fractions, parameters, first)  # type: ignore[no-untyped-call]
    return flow, type(stores)(*last.unbind(1))


def _series(
    variant: Variant, weather: Tensor, site: Tensor, dynamic: tuple[Parameter, ...], nz: float, fractions: Tensor, parameters: Tensor
) -> Series:
    return Series(
        weather=weather.contiguous().numpy(),
        fractions=fractions.detach().contiguous().numpy(),
        rows=np.array([Parameters._fields.index(parameter.symbol) for parameter in dynamic], np.int64),
        low=np.array([parameter.low for parameter in dynamic], np.float64),
        span=np.array([parameter.high - parameter.low for parameter in dynamic], np.float64),
        parameters=parameters.detach().contiguous().numpy(),
        site=site.contiguous().numpy(),
        dt=1.0 / variant.steps_per_day,
        nz=nz,
    )


def _in_threads(variant: Variant, work: Callable[[int, int, Any], None], catchments: int) -> None:
    """Share out catchments among torch's number of threads; each gets a group to work in."""
    threads = min(torch.get_num_threads(), catchments)
    bounds = [catchments * i // threads for i in range(threads + 1)]
    parts = list(zip(bounds, bounds[1:], (np.zeros(1, group_dtype(variant)) for _ in range(threads)), strict=False))
    if threads == 1:
        work(*parts[0])
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda part: work(*part), parts))
