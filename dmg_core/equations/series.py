"""A series as one differentiable operation, on CPU by compiled code.

Thousands of small tensor operations, one after the other, take most of the time of learning on CPU. Here the forward and the reverse
run of a whole series are one call each (:mod:`dmg_core.equations.series_kernels`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from dmg_core.equations.groups import series_dtype, solution_rows
from dmg_core.equations.lanes import Asked, Result
from dmg_core.equations.models import tape_of
from dmg_core.equations.operations import StepTape
from dmg_core.equations.series_kernels import Gradients, Series, reverse_kernel, simulation_kernel
from dmg_core.models.process_model import Parameter, ProcessModel


class _Run(NamedTuple):
    """What does not vary between forward and reverse."""

    step: StepTape
    dynamic: tuple[Parameter, ...]
    results: tuple[Result, ...]


class _Series(torch.autograd.Function):
    """Results and last stores from forcing, parameters, site and first stores, with the reverse run as its derivative."""

    @staticmethod
    def forward(
        context: Any,
        run: _Run,
        recorded: bool,
        forcing: Tensor,
        fractions: Tensor,
        parameters: Tensor,
        site: Tensor,
        stores: Tensor,
    ) -> tuple[Tensor, Tensor]:
        steps, catchments, _, components = fractions.shape
        series = _arrays(run, forcing, fractions, parameters, site)
        width = stores.shape[2] + solution_rows(run.step)
        record = np.empty((catchments * components if recorded else 0, steps if recorded else 0, width))
        results, last = np.zeros((len(run.results), steps, catchments)), stores.detach().contiguous().numpy().copy()
        kernel = simulation_kernel(run.step, run.results, str(fractions.dtype))
        _in_threads(run, lambda first, end, group: kernel(first, end, series, group, last, results, record), catchments)
        context.run = run, series, record
        context.of = fractions.dtype
        return torch.from_numpy(results), torch.from_numpy(last)

    @staticmethod
    @once_differentiable
    def backward(context: Any, dresults: Tensor, dlast: Tensor) -> tuple[Tensor | None, ...]:
        run, series, record = context.run
        _, _, forcing, fractions, parameters, site, stores = context.needs_input_grad
        dynamic = [parameter.symbol for parameter in run.dynamic]
        symbols = tuple(each for each in run.step.parameters if (fractions if each in dynamic else parameters))
        asked = Asked(symbols, forcing, site)

        def room(wanted: bool, like: Any) -> Any:
            return np.zeros(like.shape if wanted else (0,) * like.ndim, like.dtype)

        gradients = Gradients(
            stores=dlast.contiguous().numpy().copy(),
            parameters=room(parameters, series.parameters),
            fractions=room(fractions, series.fractions),
            forcing=room(forcing, series.forcing),
            site=room(site, series.site[None]),
        )
        dresults_, kernel = dresults.contiguous().numpy(), reverse_kernel(run.step, run.results, asked, str(context.of))
        _in_threads(run, lambda first, end, group: kernel(first, end, series, group, record, dresults_, gradients), dresults.shape[2])
        given = zip((forcing, fractions, parameters, site, stores), _ordered(gradients), strict=True)
        return (None, None, *(torch.from_numpy(array) if wanted else None for wanted, array in given))


def _ordered(gradients: Gradients) -> tuple[Any, ...]:
    return (
        gradients.forcing,
        gradients.fractions,
        gradients.parameters,
        gradients.site[0] if gradients.site.size else gradients.site,
        gradients.stores,
    )


def simulate_series(
    model: ProcessModel,
    forcing: Tensor,
    stores: Tensor,
    parameters: Tensor,
    site: Tensor | None = None,
    *,
    dynamic: Sequence[Parameter] = (),
    fractions: Tensor | None = None,
    results: Sequence[str | Result] = (),
) -> tuple[Tensor, Tensor]:
    """Run a series on CPU by compiled code; the equations run in float64 whatever the precision of what they are given.

    Gradients flow to all that is given, and cost nothing where none is asked for.

    Parameters
    ----------
    model : ProcessModel
        The model, of S stores, P parameters, F forcings and A values of a catchment.
    forcing : Tensor, shape (T, N, F)
        Forcings of N catchments, in declared order.
    stores : Tensor, shape (N, K, S)
        Where to start, K components in each catchment.
    parameters : Tensor, shape (N, K, P)
        Physical values of the static parameters, in declared order; columns of dynamic ones are not read.
    site : Tensor, shape (N, A), optional
        What :meth:`~dmg_core.models.ProcessModel.site` gives, in its order (:func:`~dmg_core.equations.site_names`), 1 for true.
    dynamic : sequence of Parameter
        Dynamic parameters, D of them.
    fractions : Tensor of float32 or float64, shape (T, N, D, K), optional
        Their values in [0, 1], scaled by their ranges.
    results : sequence of str or tuple of str
        What is wanted of each step: a flux, or a store at its end, or a sum of several.

    Returns
    -------
    Tensor of float64, shape (R, T, N)
        Results, means of the components.
    Tensor of float64, shape (N, K, S)
        Where the series ends.

    Raises
    ------
    ValueError
        If shapes do not go together.
    ConfigError
        If the model cannot be traced (:func:`~dmg_core.equations.tape.trace`), or a result is neither flux nor store.
    """
    step = tape_of(model)
    steps, catchments, components = forcing.shape[0], stores.shape[0], stores.shape[1]
    if fractions is None:
        fractions = forcing.new_empty((steps, catchments, 0, components), dtype=torch.float64)
    if site is None:
        site = forcing.new_empty((catchments, 0), dtype=torch.float64)
    _check_shapes(
        model,
        {
            "forcing": (forcing, (steps, catchments, len(step.forcings))),
            "stores": (stores, (catchments, components, len(step.stores))),
            "parameters": (parameters, (catchments, components, len(step.parameters))),
            "site": (site, (catchments, len(step.site))),
            "fractions": (fractions, (steps, catchments, len(dynamic), components)),
        },
    )
    run = _Run(step, tuple(dynamic), tuple((each,) if isinstance(each, str) else tuple(each) for each in results))
    given = (forcing.double(), fractions, parameters.double(), site.double(), stores.double())
    recorded = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in given)
    found, last = _Series.apply(run, recorded, *given)  # type: ignore[no-untyped-call]
    return found, last


def _check_shapes(model: ProcessModel, expected: dict[str, tuple[Tensor, tuple[int, ...]]]) -> None:
    """Refuse what compiled code would read beyond its end."""
    for what, (tensor, shape) in expected.items():
        if tuple(tensor.shape) != shape:
            raise ValueError(f"{type(model).__name__}: {what} has shape {tuple(tensor.shape)}, expected {shape}")


def _arrays(run: _Run, forcing: Tensor, fractions: Tensor, parameters: Tensor, site: Tensor) -> Series:
    return Series(
        forcing=forcing.detach().contiguous().numpy(),
        fractions=fractions.detach().contiguous().numpy(),
        rows=np.array([run.step.parameters.index(parameter.symbol) for parameter in run.dynamic], np.int64),
        low=np.array([parameter.low for parameter in run.dynamic], np.float64),
        span=np.array([parameter.high - parameter.low for parameter in run.dynamic], np.float64),
        parameters=parameters.detach().contiguous().numpy(),
        site=site.detach().contiguous().numpy(),
    )


def _in_threads(run: _Run, work: Callable[[int, int, Any], None], catchments: int) -> None:
    """Share out catchments among torch's number of threads; each gets a group to work in."""
    threads = max(min(torch.get_num_threads(), catchments), 1)
    bounds = [catchments * i // threads for i in range(threads + 1)]
    dtype = series_dtype(run.step, len(run.results))
    parts = list(zip(bounds, bounds[1:], (np.zeros(1, dtype) for _ in range(threads)), strict=False))
    if threads == 1:
        work(*parts[0])
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda part: work(*part), parts))
