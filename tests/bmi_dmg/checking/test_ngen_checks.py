"""What a named kind of ngen would do otherwise than ``bmi-dmg run`` is found before the run."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bmi_dmg.checking.check import check_folder
from bmi_dmg.checking.findings import Severity
from bmi_dmg.cli.main import app

START = datetime(2001, 2, 3)
SAVE = {"direction": "save", "label": "a", "path": "end", "type": "FilePerUnit", "when": "EndOfRun"}
LOAD = {**SAVE, "direction": "load", "when": "StartOfRun"}
ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE


@pytest.fixture
def found(make_own_run: Callable[..., Path]) -> Callable[..., set[tuple[Severity, str | None]]]:
    """Give a function that says what is found about ngen, how bad it is and about which key, with blocks added to a realization."""
    number = count()

    def find(ngen: str, *, alone: bool = False, in_module: bool = False, files: tuple[str, ...] = (), **blocks: Any) -> set[Any]:
        folder = make_own_run(START, 4, START, 24, ids=("cat-1",), name=f"run-{next(number)}")
        for name in files:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(b"")
        path = folder / "config" / "realization.json"
        content = json.loads(path.read_text())
        (formulation,) = content["global"]["formulations"]
        module = formulation["params"]["modules"][0]["params"]
        (module if in_module else content).update(blocks)
        if alone:
            content["global"]["formulations"] = [{"name": "bmi_python", "params": module}]
        path.write_text(json.dumps(content))
        kinds = {"ngen-states", "ngen-output", "ngen-layers", "ngen-catchments"}
        return {(finding.severity, finding.variable) for finding in check_folder(folder, ngen=ngen).findings if finding.kind in kinds}

    return find


@pytest.mark.parametrize("in_module", [False, True])
@pytest.mark.parametrize(("ngen", "save", "restore"), [("stock", WARNING, ERROR), ("ngwpc", WARNING, ERROR), ("pr957", ERROR, ERROR)])
def test_serialization(found: Callable[..., Any], ngen: str, save: Severity, restore: Severity, in_module: bool) -> None:
    """Passed over it is a warning where states are saved and an error where they are needed; read, what it names must be there."""
    path = "deep/states_{{rank}}.bin"
    assert found(ngen, in_module=in_module, serialization={"path": path, "save": {"check": True}}) == {(save, "serialization")}
    assert found(ngen, in_module=in_module, serialization={"restore": {"path": path}}) == {(restore, "serialization")}


@pytest.mark.parametrize(
    ("block", "files", "expected"),
    [
        ({"path": "deep/s_{{rank}}.bin", "save": {}}, ("deep/other",), set()),
        ({"path": "{{host}}/s.bin", "save": {}}, ("node7/other",), set()),
        ({"path": "s_{{rank}}.bin", "save": {}}, (), set()),
        ({"path": "deep/s.bin", "save": {"check": False}}, (), set()),
        ({"path": "deep/s.bin", "save": {"frequency": 0}}, (), set()),
        ({"path": "s_{{rank}}.bin", "restore": {}}, ("s_3.bin",), set()),
        ({"path": "s.bin", "restore": {"fatal": False}}, (), {(WARNING, "serialization")}),
        ({"save": {}}, (), {(ERROR, "serialization")}),
    ],
)
def test_serialization_where_it_is_read(found: Callable[..., Any], block: dict[str, Any], files: tuple[str, ...], expected: Any) -> None:
    """Tokens stand for anything; what is switched off needs nothing; a restore that need not work is a warning."""
    assert found("pr957", files=files, serialization=block) == expected


@pytest.mark.parametrize(
    ("ngen", "entries", "files", "alone", "expected"),
    [
        ("stock", [SAVE], (), False, {(WARNING, "state_saving")}),
        ("pr957", [LOAD], (), False, {(ERROR, "state_saving")}),
        ("ngwpc", [SAVE], (), False, set()),
        ("ngwpc", [LOAD], (), False, {(ERROR, "state_saving")}),
        ("ngwpc", [LOAD], ("end/cat-1",), False, set()),
        ("ngwpc", [LOAD], ("end/cat-1",), True, {(ERROR, "state_saving")}),
        ("ngwpc", [{**LOAD, "when": "Checkpoint"}], ("end/cat-1",), True, set()),
    ],
)
def test_state_saving(found: Callable[..., Any], ngen: str, entries: list[Any], files: tuple[str, ...], alone: bool, expected: Any) -> None:
    """The fork needs what it loads, and a ``bmi_multi`` for a start from saved states; others pass the block over."""
    assert found(ngen, alone=alone, files=files, state_saving=entries) == expected


@pytest.mark.parametrize(
    ("ngen", "blocks", "expected"),
    [
        ("ngwpc", {"output": {"root": "./here"}}, {(WARNING, "output")}),
        ("stock", {"output": {"root": "./here"}}, set()),
        ("stock", {"layers": [{"id": 0}]}, {(ERROR, "layers")}),
        ("stock", {"layers": [{"id": 1}]}, set()),
        ("stock", {"catchments": {"cat-1": {}}}, {(NOTE, "catchments")}),
    ],
)
def test_other_blocks(found: Callable[..., Any], ngen: str, blocks: dict[str, Any], expected: Any) -> None:
    """Outputs that go elsewhere, layers at which ngen stops, and what is not looked at are told."""
    assert found(ngen, **blocks) == expected


def test_without_ngen_such_blocks_are_refused(make_own_run: Callable[..., Path]) -> None:
    """Where ``bmi-dmg run`` is to run a folder, a block that only ngen can read is an error, and the command takes the kind of ngen."""
    folder = make_own_run(START, 4, START, 24, ids=("cat-1",))
    path = folder / "config" / "realization.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"state_saving": [LOAD]}))
    assert "'state_saving' can only be run by ngen" in CliRunner().invoke(app, ["check", str(folder)]).stdout
    result = CliRunner().invoke(app, ["check", str(folder), "--ngen", "stock"])
    assert result.exit_code == 2
    assert "ngen passes over 'state_saving' without a word: this run would start from nothing" in result.stdout
