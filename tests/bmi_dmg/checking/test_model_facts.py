from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bmi_dmg.checking.model_facts import read_model_facts
from dmg_core.errors import CheckpointError


def test_a_folder_says_what_it_needs(make_model: Callable[..., Path], attributes: dict[str, float]) -> None:
    """Variant, attributes and their ranges come from the model folder."""
    facts = read_model_facts(make_model())
    assert facts.process.name == "Hbv_2"
    assert facts.attributes == tuple(attributes)
    assert facts.training_ranges.keys() == attributes.keys()
    assert not facts.needs_series
    assert facts.differences == ()


def test_a_model_with_parameters_from_a_series_is_told(make_model: Callable[..., Path]) -> None:
    """HBV 1.1p needs a series before it can be stepped."""
    assert read_model_facts(make_model("Hbv_1_1p")).needs_series


def test_a_contradicting_config_is_told(make_model: Callable[..., Path], tmp_path: Path) -> None:
    """Where the config says something else than the weights, the difference is given and is no warning."""
    folder = tmp_path / "model"
    folder.mkdir()
    for path in make_model().iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace("nmul: 2", "nmul: 7"))
    (difference,) = read_model_facts(folder).differences
    assert "nmul is 7, the weights have 2" in difference


def test_a_broken_folder_is_an_error(tmp_path: Path) -> None:
    """A folder without a model is refused."""
    with pytest.raises(CheckpointError):
        read_model_facts(tmp_path)
