"""The ensemble smoother: what it finds, and that it finds it again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dmg_core.assimilation import AnalysisSettings, analyse
from dmg_core.assimilation.analysis import ENSEMBLE, UNOBSERVED
from dmg_core.assimilation.ensemble import smooth
from dmg_core.errors import ConfigError
from tests.dmg_core.assimilation.twins import deviation, make_twin, make_windows, wrong

SETTINGS = AnalysisSettings(method="ensemble", precipitation_spread=0.0, memory=float("inf"), relative_error=0.05, error_floor=0.02)


class Line:
    """A cost whose flow is linear in its unknowns: what the smoother finds is known then."""

    def __init__(self, settings: AnalysisSettings) -> None:
        random = np.random.default_rng(2)
        self.settings, self.unknowns = settings, 2
        self.slope = random.normal(size=(6, 2))
        self.trust = np.full((6, 1), 4.0)
        self.trust[2] = 0.0
        self.windows = type("Windows", (), {"observed": random.normal(size=(6, 1)), "__len__": lambda _: 1})()

    def flow(self, unknowns: np.ndarray) -> np.ndarray:
        """Give the flow (T, N)."""
        return self.slope @ unknowns.T


def test_a_linear_problem_has_its_known_solution() -> None:
    """Of a linear model the mean is the minimum of the cost, ``(I + G' C^-1 G)^-1 G' C^-1 y``, to the error of a large ensemble."""
    line = Line(replace(SETTINGS, members=4000))
    found, runs = smooth(line)  # type: ignore[arg-type]
    known = line.trust[:, 0] > 0.0
    slope, weight = line.slope[known], line.trust[known, 0]
    expected = np.linalg.solve(np.eye(2) + slope.T @ (weight[:, None] * slope), slope.T @ (weight * line.windows.observed[known, 0]))
    np.testing.assert_allclose(found[0], expected, atol=0.04)
    assert runs.tolist() == [4000 * 4]


def test_windows_get_better_and_the_same_again() -> None:
    """Wrong starts come closer to the observations; the seed gives the same bits, in any company, and another seed others."""
    _, _, loop = make_twin(nmul=1, catchments=3, warmer=25.0)
    windows = wrong(make_windows(loop, 30, 0, ends=(300,)))
    scale, observed = deviation(windows), windows.observed.copy()
    observed[:, 2] = np.nan
    windows = replace(windows, observed=observed)
    found = analyse(windows, SETTINGS, scale)
    assert found.outcome == (ENSEMBLE, ENSEMBLE, UNOBSERVED)
    assert found.taken.tolist() == [True, True, False]
    assert (found.misfit[:2, 1] < 0.3 * found.misfit[:2, 0]).all()
    alone = analyse(windows.take(np.array([1])), SETTINGS, scale[[1]])
    np.testing.assert_array_equal(alone.unknowns[0], found.unknowns[1])
    other = analyse(windows, replace(SETTINGS, seed=1), scale)
    assert (other.unknowns[1] != found.unknowns[1]).any()


@pytest.mark.parametrize(("settings", "message"), [({"method": "4dvar"}, "method is '4dvar'"), ({"members": 0}, "members is 0")])
def test_wrong_settings_are_told(settings: dict[str, object], message: str) -> None:
    """Unknown methods and empty ensembles are refused by name."""
    with pytest.raises(ConfigError, match=message):
        AnalysisSettings(**settings)  # type: ignore[arg-type]
