"""Code in the documentation works."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import typer.main
import yaml

from bmi_dmg.cli.main import app
from bmi_dmg.demo.make import make_demo
from dmg_core import load_model
from dmg_core.models import PROCESS_MODELS

Blocks = Callable[[str], list[tuple[Path, str]]]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small demo."""
    return make_demo(tmp_path_factory.mktemp("demo") / "demo", n_catchments=2, days=10, progress=False).run_folder


def test_python_runs_in_the_demo(blocks: Blocks, demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python on each page of the site runs from top to bottom in the demo's folder."""
    monkeypatch.chdir(demo)
    monkeypatch.setattr(PROCESS_MODELS, "_entries", dict(PROCESS_MODELS._entries))
    pages: dict[Path, dict[str, Any]] = {}
    for page, text in (block for block in blocks("python") if block[0].parent.name == "docs"):
        exec(compile(text, str(page), "exec"), pages.setdefault(page, {}))
    assert {page.stem for page in pages} >= {"start", "models", "calibration"}
    assert (demo / "my_model" / "config.yaml").is_file()


@pytest.mark.parametrize("as_table", [False, True])
def test_python_of_the_readme_runs(blocks: Blocks, demo: Path, monkeypatch: pytest.MonkeyPatch, as_table: bool) -> None:
    """The README's Python runs from top to bottom, given weather and attributes as it describes them; batch and gradients are right."""
    monkeypatch.chdir(demo)
    (demo / "my_model").exists() or (demo / "my_model").symlink_to(demo / "model")
    names = load_model("my_model").settings.attributes
    attributes: Any = {name: np.array([1.0, 2.0]) for name in names}
    scope: dict[str, Any] = {
        "attributes": pd.DataFrame(attributes) if as_table else attributes,
        "forcing": np.tile([4.0, 8.0, 2.0], (40, 2, 1)),
    }
    texts = [text for page, text in blocks("python") if page.name == "README.md" and "my_model" in text]
    assert len(texts) == 2
    for text in texts:
        exec(compile(text, "README.md", "exec"), scope)
    np.testing.assert_allclose(scope["predictions"]["streamflow"].detach(), scope["series"]["streamflow"], rtol=1e-4)
    assert torch.isfinite(scope["weather"].grad).all()
    assert float(scope["weather"].grad[:, :, 0].sum()) > 0.0  # more rain, more flow
    assert all(weight.grad is not None for weight in scope["model"].parameters())


def test_commands_exist_with_their_options(blocks: Blocks) -> None:
    """Every call of bmi-dmg names a command and options that there are."""
    calls = [
        line.strip() for language in ("sh", "console") for _, text in blocks(language) for line in text.replace("\\\n", " ").splitlines()
    ]
    calls = [re.split(r" && | # ", call)[0] for call in calls if call.startswith("bmi-dmg ")]
    assert len(calls) > 8
    for call in calls:
        command: Any = typer.main.get_command(app)
        words = shlex.split(call)[1:]
        while getattr(command, "commands", None):
            command = command.commands[words.pop(0)]
        options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        assert {word for word in words if word.startswith("--")} <= options, call


def test_make_targets_exist(root: Path, blocks: Blocks) -> None:
    """Every call of make names a target that there is."""
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    (targets,) = re.findall(r"^\.PHONY: (.*)$", makefile, flags=re.MULTILINE)
    text = "\n".join(text for language in ("sh", "console") for _, text in blocks(language))
    calls = re.findall(r"^make (\w+)", text, flags=re.MULTILINE)
    assert len(calls) > 4
    assert set(calls) <= set(targets.split())


def test_json_and_yaml_are_well_formed(blocks: Blocks) -> None:
    """Every piece of JSON is JSON, as a whole or inside of an object, and every piece of YAML is YAML."""
    for page, text in blocks("json"):
        json.loads(text if text.lstrip().startswith("{") else f"{{{text}}}")
        assert page.exists()
    for _, text in blocks("yaml"):
        assert isinstance(yaml.safe_load(text), dict)


def test_parameters_are_within_their_ranges(root: Path, blocks: Blocks) -> None:
    """Parameters in the calibration guide are those of the models, within their ranges."""
    known = {parameter.name: parameter for name in PROCESS_MODELS for parameter in PROCESS_MODELS[name].parameters}
    (settings,) = (yaml.safe_load(text) for page, text in blocks("yaml") if page.stem == "calibration")
    tried = settings["model"]["params"]["bmi_dmg"]
    assert len(tried) > 3
    for entry in tried:
        parameter = known[entry["name"].removeprefix("multiplier::")]
        assert entry["min"] < entry["init"] < entry["max"]
        if entry["name"] == parameter.name:
            assert parameter.low <= entry["min"]
            assert entry["max"] <= parameter.high
    (params,) = (json.loads(f"{{{text}}}")["model_params"] for page, text in blocks("json") if page.stem == "calibration")
    example = json.loads((root / "realizations" / "calibration.json").read_text(encoding="utf-8"))
    assert params == example["global"]["formulations"][0]["params"]["model_params"]
