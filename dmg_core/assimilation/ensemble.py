"""An ensemble smoother in place of the gradient: the ensemble smoother with multiple data assimilation (Emerick and Reynolds 2013).

Each member ``v`` is drawn from the standard normal distribution that the unknowns have without observations, and drawn to the observations
``y`` in ``R`` rounds, each with the errors' variances taken ``R`` times as large, so that all rounds together count them once:

    v  <-  v + C_vq (C_qq + R C_y)^-1 (y + sqrt(R) e - q(v)),    e ~ N(0, C_y)

``C_vq`` and ``C_qq`` are covariances within the ensemble of unknowns and simulated flow. The analysis is the members' mean. Nothing is
asked of the model but runs.

Emerick, A. A. and Reynolds, A. C. (2013): Ensemble smoother with multiple data assimilation. Computers & Geosciences 55, 3-15.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dmg_core.assimilation.cost import Cost
from dmg_core.assimilation.windows import Array


def smooth(cost: Cost) -> tuple[Array, NDArray[np.int64]]:
    """Draw an ensemble of each window to its observations.

    All windows start from the same random numbers, which the seed gives, so that a window has the same bits in any company.

    Parameters
    ----------
    cost : Cost
        Of N windows of n unknowns each.

    Returns
    -------
    ndarray, shape (N, n)
        Mean of the members.
    ndarray of int64, shape (N,)
        Runs of each window.
    """
    settings, count = cost.settings, len(cost.windows)
    random = np.random.default_rng(settings.seed)
    members = np.tile(random.standard_normal((settings.members, 1, cost.unknowns)), (1, count, 1))
    for _ in range(settings.rounds):
        flows = np.stack([cost.flow(member) for member in members])  # (E, T, N)
        noise = random.standard_normal((settings.members, flows.shape[1]))
        for window in range(count):
            members[:, window] += _change(members[:, window], flows[..., window], cost, window, noise)
    return members.mean(0), np.full(count, settings.members * settings.rounds, np.int64)


def _change(unknowns: Array, flow: Array, cost: Cost, window: int, noise: Array) -> Array:
    """Give the change of the members (E, n) of one window, whose flow is (E, T), in one round."""
    known = cost.trust[:, window] > 0.0
    if not known.any():
        return np.zeros_like(unknowns)
    rounds, scale = cost.settings.rounds, np.sqrt(cost.trust[known, window])  # flow in standard errors: C_y is one
    simulated, observed = flow[:, known] * scale, cost.windows.observed[known, window] * scale
    spread, departure = simulated - simulated.mean(0), observed + np.sqrt(rounds) * noise[:, known] - simulated
    covariance = spread.T @ spread / (len(flow) - 1) + rounds * np.eye(spread.shape[1])
    gain = (unknowns - unknowns.mean(0)).T @ spread / (len(flow) - 1)
    return np.asarray((gain @ np.linalg.solve(covariance, departure.T)).T)
