"""Tests of evaluations of ensembles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dmg_core.checkpoint import members_of, write_ensemble
from dmg_core.learning.evaluation import evaluate_folders
from dmg_core.metrics import nse
from tests.dmg_core.ensembles.factories import write_any
from tests.dmg_core.learning.synthetic import NAMES, YEAR, make_basins


@pytest.mark.parametrize("weights", [None, (1.0, 3.0)])
def test_the_mean_of_the_members_is_scored(tmp_path: Path, weights: tuple[float, ...] | None) -> None:
    """One folder gives the scores of the weighted mean of its members evaluated alone; beside another model it counts as one."""
    members = [write_any(tmp_path / name, "none", NAMES, seed) for seed, name in enumerate("ab")]
    ensemble, data = write_ensemble(tmp_path / "both", members, weights).folder, make_basins()
    about = Path("made"), None, (str(data.dates[3 * YEAR]), str(data.dates[-1]))
    alone = [evaluate_folders([member], *about, warm_up=20, reader="synthetic").simulated for member, _ in members_of(ensemble)]
    found = evaluate_folders([ensemble], *about, warm_up=20, reader="synthetic")
    expected = np.average(alone, axis=0, weights=weights)
    np.testing.assert_allclose(found.simulated, expected, rtol=1e-12)
    np.testing.assert_allclose(found.scores["nse"], nse(expected, data.flow[3 * YEAR :]), rtol=1e-9)
    with_another = evaluate_folders([ensemble, members[0]], *about, warm_up=20, reader="synthetic").simulated
    np.testing.assert_allclose(with_another, 0.5 * (expected + alone[0]), rtol=1e-12)
