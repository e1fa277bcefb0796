"""Catchments stepped by generated groups: averages, routing and budget as declared, however a series is cut and who is stepped along."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from dmg_core.equations import step_arrays, tape_of
from dmg_core.equations.compilation import compile_kernel
from dmg_core.equations.groups import step_dtype
from dmg_core.equations.lanes import LANES
from dmg_core.equations.stepping import (
    CatchmentRows,
    bound_steps,
    enter_groups,
    finish_step,
    leave_groups,
    mark_needed,
    output_places,
)
from dmg_core.models import Layout
from tests.dmg_core.equations.small_models import TwoBuckets, random_parameters

MODEL = TwoBuckets()
LAYOUT = Layout.of(MODEL)
OUTPUTS, BUDGET, PLACES = LAYOUT.outputs, tuple(LAYOUT.budget), output_places(MODEL, LAYOUT)
STEPS, CATCHMENTS, K, LENGTH = 20, 7, 3, 4


def advance(arrays: Any, places: Any, groups: Any, first: int, last: int, forcing: Any, needed: Any, selection: Any, results: Any) -> None:
    """Step rows through a series; all names in capitals are bound when this is compiled."""
    outputs = np.zeros(needed.shape[0])
    components = arrays.stores.shape[1]
    MARK(selection, places, needed)  # type: ignore[name-defined]  # noqa: F821
    ENTER(arrays, first, last, groups)  # type: ignore[name-defined]  # noqa: F821
    for t in range(forcing.shape[0]):
        STEP(forcing[t, first:last], components, groups)  # type: ignore[name-defined]  # noqa: F821
        for i in range(last - first):
            FINISH(first + i, forcing[t, first + i], i * components, groups, needed, places, arrays, outputs)  # type: ignore[name-defined]  # noqa: F821
            for j in range(selection.shape[0]):
                results[t, first + i, j] = outputs[selection[j]]
    LEAVE(arrays, first, last, groups)  # type: ignore[name-defined]  # noqa: F821


@cache
def kernel() -> Any:
    """Compile :func:`advance` once."""
    steps: Any = bound_steps(tape_of(MODEL))
    bindings = {"MARK": mark_needed, "ENTER": enter_groups, "LEAVE": leave_groups, "FINISH": finish_step, "STEP": steps}
    return compile_kernel(advance, steps.py_func.__qualname__, "test", **bindings)


def made() -> tuple[CatchmentRows, Any]:
    """Catchments with random parameters and unit hydrographs, and their weather (T, N, F)."""
    rng = np.random.default_rng(5)
    forcing = np.stack([30.0 * rng.random((STEPS, CATCHMENTS)) ** 2, rng.normal(2.0, 6.0, (STEPS, CATCHMENTS))], -1)
    hydrograph = rng.random((CATCHMENTS, LENGTH))
    rows = CatchmentRows(
        stores=20.0 * rng.random((CATCHMENTS, K, 2)),
        parameters=random_parameters(MODEL, rng, CATCHMENTS, K),
        site=500.0 * rng.random((CATCHMENTS, 1)),
        hydrograph=hydrograph / hydrograph.sum(1, keepdims=True),
        in_transit=np.zeros((CATCHMENTS, 1, LENGTH - 1)),
        budget=np.zeros((CATCHMENTS, len(BUDGET))),
    )
    return rows, forcing


def run(rows: CatchmentRows, forcing: Any, first: int = 0, last: int = CATCHMENTS, names: tuple[str, ...] = OUTPUTS) -> Any:
    """Step rows through a series: outputs (T, N, n); state changes in place."""
    groups = np.zeros(-(-(last - first) * K // LANES), step_dtype(tape_of(MODEL)))
    results = np.full((len(forcing), CATCHMENTS, len(names)), np.nan)
    selection = np.array([OUTPUTS.index(name) for name in names])
    kernel()(rows, PLACES, groups, first, last, forcing, np.zeros(len(OUTPUTS), np.bool_), selection, results)
    return results[:, first:last]


def test_outputs_budget_and_state_are_those_of_the_declaration() -> None:
    """Averages are those of single steps on arrays; routing is a convolution; the sums are those of the outputs, and water is closed."""
    rows, forcing = made()
    stores = rows.stores.copy()
    held = stores.sum(2).mean(1)
    outputs = dict(zip(OUTPUTS, np.moveaxis(run(rows, forcing), -1, 0), strict=True))
    for t in range(STEPS):
        stores, fluxes = step_arrays(MODEL, stores, rows.parameters, forcing[t], rows.site)
        for j, name in enumerate(("runoff", "melt")):
            np.testing.assert_allclose(outputs[name][t], fluxes[..., j].mean(1), rtol=1e-14)
        np.testing.assert_allclose(outputs["snow"][t], stores[..., 0].mean(1), rtol=1e-14)
    assert np.array_equal(stores, rows.stores)
    for i in range(CATCHMENTS):
        expected = np.convolve(outputs["runoff"][:, i], rows.hydrograph[i])
        np.testing.assert_allclose(outputs["streamflow"][:, i], expected[:STEPS], rtol=1e-12)
        np.testing.assert_allclose(rows.in_transit[i, 0], expected[STEPS:], rtol=1e-12)
    assert BUDGET == ("precipitation", "streamflow")
    np.testing.assert_allclose(rows.budget, np.stack([forcing[..., 0].sum(0), outputs["streamflow"].sum(0)], 1), rtol=1e-12)
    change = rows.stores.sum(2).mean(1) + rows.in_transit.sum((1, 2)) - held
    np.testing.assert_allclose(rows.budget[:, 0] - rows.budget[:, 1], change, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("cuts", [(1,), (5, 6), tuple(range(1, STEPS))])
def test_stepping_is_the_batch_bit_for_bit(cuts: tuple[int, ...]) -> None:
    """However a series is cut, outputs and state are the same bits."""
    whole, forcing = made()
    expected = run(whole, forcing)
    rows, _ = made()
    found = [run(rows, part) for part in np.split(forcing, cuts)]
    assert np.concatenate(found).tobytes() == expected.tobytes()
    assert all(one.tobytes() == other.tobytes() for one, other in zip(rows, whole, strict=True))


def test_a_catchment_is_the_same_alone_and_among_others() -> None:
    """Bit for bit, wherever it lies in its group."""
    whole, forcing = made()
    expected = run(whole, forcing)
    for row in range(CATCHMENTS):
        alone, _ = made()
        assert run(alone, forcing, row, row + 1).tobytes() == expected[:, row : row + 1].tobytes()


def test_what_is_not_wanted_changes_nothing() -> None:
    """One output alone is the same, and so is the budget."""
    whole, forcing = made()
    expected = run(whole, forcing)
    rows, _ = made()
    assert np.array_equal(run(rows, forcing, names=("streamflow",))[..., 0], expected[..., OUTPUTS.index("streamflow")])
    assert np.array_equal(rows.budget, whole.budget)
