"""GR4 in rates: order of convergence to the published equations, its balance, and gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from dmg_core.equations import simulate_series
from dmg_core.models import Forcing, ProcessModel
from dmg_core.models.gr4_rates import Gr4Implicit

#: Parameters X1 … X4, and what the stores hold at first.
GIVEN = [220.0, 0.8, 60.0, 2.3]
START = [90.0, *np.linspace(3.0, 0.5, 11), 35.0]
RUNOFF = ("unrouted_direct_flow", "unrouted_routing_store_flow")


class InParts(Gr4Implicit):
    """GR4 in rates with a forcing that says how long a step is, days: one model for steps of any length."""

    forcings = (*Gr4Implicit.forcings, Forcing("length", "d"))

    def rates(self, s: Any, p: Any, x: Any) -> Any:
        """Give the rates over the length of a step."""
        return tuple({name: x.length * rate for name, rate in each.items()} for each in super().rates(s, p, x))


def weather(days: int) -> Any:
    """Rain and demand (T, 2), mm/d; some days are dry."""
    rng = np.random.default_rng(5)
    return np.stack([np.clip(rng.normal(3.0, 8.0, days), 0.0, None), 4.0 * rng.random(days)], -1)


def simulated(model: ProcessModel, forcing: Any) -> Any:
    """Stores at the end of a series, then the flow of the whole."""
    given = (torch.tensor(forcing)[:, None], torch.tensor([[START]]), torch.tensor([[GIVEN]]))
    results, stores = simulate_series(model, *given, results=[RUNOFF])
    return np.append(stores.numpy().ravel(), results[0].sum())


def change(_: float, held: Any, P: float, E: float) -> Any:
    """Say how fast stores and the sum of flow change, as Santos et al. (2018) write it."""
    X1, X2, X3, X4 = GIVEN
    S, cascade, R = held[0], held[1:12], held[12]
    Pn, En, k = max(P - E, 0.0), max(E - P, 0.0), 10.0 / X4
    Ps, percolation = Pn * (1.0 - (S / X1) ** 2), (4.0 / 9.0) ** 4 * S**5 / (4.0 * X1**4)
    inflow = np.concatenate([[Pn - Ps + percolation], k * cascade[:-1]])
    Q, F, Qr = k * cascade[-1], X2 * (R / X3) ** 3.5, R**5 / (4.0 * X3**4)
    soil = Ps - En * (2.0 * S / X1 - (S / X1) ** 2) - percolation
    return np.concatenate([[soil], inflow - k * cascade, [0.9 * Q + F - Qr, Qr + max(0.1 * Q + F, 0.0)]])


def solution(forcing: Any) -> Any:
    """Stores and flow by a method of eighth order whose error is kept below 1e-11, day by day."""
    held = np.append(START, 0.0)
    for P, E in forcing:
        held = solve_ivp(change, (0.0, 1.0), held, "DOP853", rtol=1e-12, atol=1e-12, args=(P, E)).y[:, -1]
    return held


@pytest.mark.parametrize(("scheme", "order"), [("implicit", 1.0), ("crank_nicolson", 2.0)])
def test_shorter_steps_come_to_the_solution_at_the_order_of_the_scheme(scheme: Any, order: float) -> None:
    """With a fourth of the length, backward Euler is four times, Crank–Nicolson sixteen times as near to the published equations."""
    forcing, model = weather(20), InParts(scheme, tolerance=1e-12)
    expected, errors = solution(forcing), []
    for parts in (16, 64):
        steps = np.repeat(np.column_stack([forcing, np.full(len(forcing), 1.0 / parts)]), parts, axis=0)
        errors.append(np.abs(simulated(model, steps) - expected).max())
    assert np.log(errors[0] / errors[1]) / np.log(4.0) == pytest.approx(order, abs=0.1), errors
    assert errors[1] < 1e-3 * expected[-1]


def test_parts_of_a_step_are_steps_with_their_share_of_the_weather() -> None:
    """The option is what the forcing above says."""
    forcing = weather(5)
    steps = np.repeat(np.column_stack([forcing, np.full(len(forcing), 0.25)]), 4, axis=0)
    np.testing.assert_allclose(simulated(Gr4Implicit(substeps=4), forcing), simulated(InParts(), steps), rtol=1e-12)


def test_gradients_are_those_of_differences() -> None:
    """Flow of 20 days by parameters and first stores, to 1e-7 of the largest, by differences of fourth order."""
    model, forcing = InParts(tolerance=1e-12), torch.tensor(np.column_stack([weather(20), np.ones(20)]))[:, None]
    given = [torch.tensor([[values]], dtype=torch.float64) for values in (START, GIVEN)]

    def flow(stores: Any, parameters: Any) -> Any:
        return simulate_series(model, forcing, stores, parameters, results=[RUNOFF])[0].mean()

    asked = [values.clone().requires_grad_() for values in given]
    found = torch.autograd.grad(flow(*asked), asked)
    for which, gradient in enumerate(found):
        expected = torch.zeros_like(gradient)
        for place in range(gradient.shape[-1]):
            step = 1e-4 * float(given[which][0, 0, place])
            for weight, distance in ((8.0, 1.0), (-8.0, -1.0), (-1.0, 2.0), (1.0, -2.0)):
                moved = [values.clone() for values in given]
                moved[which][0, 0, place] += distance * step
                expected[0, 0, place] += weight * flow(*moved) / (12.0 * step)
        torch.testing.assert_close(gradient, expected, rtol=1e-7, atol=1e-7 * float(gradient.abs().max()))
