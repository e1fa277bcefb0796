"""The process model and the network that the page on training shows can be trained."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dmg_core.learning.evaluation import evaluate_folders
from dmg_core.learning.loop.train import train
from dmg_core.models import PROCESS_MODELS
from dmg_core.networks import NETWORKS
from tests.dmg_core.learning.synthetic import YEAR, make_basins, make_experiment

Blocks = Callable[[str], list[tuple[Path, str]]]

#: What the page registers.
OWN = {"HbvInterception", "GruModel"}


@pytest.fixture
def parts(blocks: Blocks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Module with the code of the page, whose parts are forgotten after the test."""
    for registry in (NETWORKS, PROCESS_MODELS):
        monkeypatch.setattr(registry, "_entries", {name: registry[name] for name in registry if name not in OWN})
    code = "\n".join(text for page, text in blocks("python") if page.stem == "training")
    (tmp_path / "my_parts.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_parts", raising=False)
    return "my_parts"


@pytest.mark.parametrize(
    ("physics", "network"), [("HbvInterception", "LstmModel"), ("Hbv_1_1p", "GruModel"), ("HbvInterception", "GruModel")]
)
def test_own_parts_are_trained_and_evaluated(parts: str, physics: str, network: str, tmp_path: Path) -> None:
    """Named in an experiment, they learn, are written, and simulate flow when they are read again."""
    plugins = ["tests.dmg_core.learning.synthetic", parts]
    model = {"physics": physics, "network": network, "hidden_size": 4, "nmul": 2, "dynamic": ["parBETA"]}
    train(make_experiment(plugins=plugins, model=model, epochs=1), tmp_path / "out")
    data = make_basins()
    evaluation = evaluate_folders([tmp_path / "out"], Path("made"), None, (str(data.dates[3 * YEAR]), str(data.dates[-1])), warm_up=20)
    assert (evaluation.simulated >= 0.0).all()
    assert math.isfinite(evaluation.median("nse"))
    assert ("parIMAX" in evaluation.parameters) == (physics == "HbvInterception")


def test_each_example_takes_some_twenty_lines(blocks: Blocks) -> None:
    """A part of one's own is short."""
    codes = [text for page, text in blocks("python") if page.stem == "training"]
    assert len(codes) == 2
    for code in codes:
        lines = [line for line in code.splitlines() if line.strip() and not line.startswith(("import", "from"))]
        assert len(lines) <= 20
