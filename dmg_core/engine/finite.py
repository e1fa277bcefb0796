"""Stores that are numbers after a step, or an error that says where they are not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dmg_core.errors import SolutionError
from dmg_core.models import ProcessModel

Array = NDArray[np.float64]


def require_numbers(process: ProcessModel, ids: Sequence[str], stores: Array, results: Array | None = None) -> None:
    """Refuse to go on from stores that are no numbers.

    Parameters
    ----------
    process : ProcessModel
        What was stepped.
    ids : sequence of str
        Its N catchments.
    stores : ndarray, shape (N, K, S)
        What they hold at the end.
    results : ndarray, shape (R, T, N), optional
        Outputs of the steps, which tell since when.

    Raises
    ------
    SolutionError
        Naming the model, the first such catchment, its stores and, if outputs show it, the step.
    """
    if np.isfinite(stores).all():
        return
    row = int(np.flatnonzero(~np.isfinite(stores).all(axis=(1, 2)))[0])
    wrong = ~np.isfinite(stores[row]).all(axis=0)
    names = ", ".join(store.output for store, each in zip(process.stores, wrong, strict=True) if each)
    since = "" if results is None else _since(results[..., row])
    raise SolutionError(
        f"catchment {ids[row]}: {process.name} holds no number in {names}{since}: its equations have no solution there, or something is "
        "divided by zero. Its state is of no use any more; start anew, or from a state that was saved before"
    )


def _since(results: Array) -> str:
    """Say at which step, counted from 1, outputs (R, T) are no numbers for the first time."""
    steps = np.flatnonzero(~np.isfinite(results).all(axis=0))
    return f" since step {steps[0] + 1} of {results.shape[1]}" if len(steps) else ""
