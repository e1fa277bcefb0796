"""One CSV file for all catchments, or none, where the realization asks for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from bmi_dmg.driver import assembly
from bmi_dmg.driver.run import run
from bmi_dmg.run_folder.realization import read_realization
from dmg_core.errors import ConfigError

START = datetime(2001, 2, 3)
HOURS = 50
IDS = ("cat-1", "cat-2", "cat-10")


@pytest.fixture
def make(make_own_run: Callable[..., Path]) -> Callable[..., Path]:
    """Give a maker of run folders with an ``output`` block, or with other keys of the realization."""

    def of(name: str, catchment: dict[str, Any] | None = None, **keys: Any) -> Path:
        folder = make_own_run(START, 4, START, HOURS, name=name)
        path = folder / "config" / "realization.json"
        content = json.loads(path.read_text())
        if catchment is not None:
            del content["output_root"]
            content["output"] = {"root": "./outputs/ngen", "precision": 12, "catchment": catchment}
        path.write_text(json.dumps(content | keys))
        return folder

    return of


def tables(folder: Path) -> dict[str, list[str]]:
    """All CSV files of a run, line by line."""
    return {path.name: path.read_text().splitlines() for path in (folder / "outputs" / "ngen").glob("*.csv")}


@pytest.mark.parametrize("arguments", [{}, {"fast": True}, {"results": ["csv"]}])
def test_one_table_has_the_lines_of_all(
    make: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, scheduler: str, arguments: dict[str, Any]
) -> None:
    """Hour by hour the lines of the catchments' own files, each after the catchment's id; the same from several processes."""
    monkeypatch.setattr(assembly, "_VALUES", 3 * 17)
    if "results" in arguments:
        arguments["scheduler"] = scheduler
    single, grouped = make("single", {"grouping": "per_feature"}), make("grouped", {"grouping": "per_formulation"})
    run(single, progress=False)
    run(grouped, progress=False, **arguments)
    expected = tables(single)
    ((name, lines),) = tables(grouped).items()
    assert name == "cat_output.csv"
    assert lines[0] == "catchment_id," + expected["cat-1.csv"][0]
    assert lines[1:] == [f"{catchment},{expected[f'{catchment}.csv'][hour + 1]}" for hour in range(HOURS) for catchment in IDS]


def test_tables_of_another_grouping_do_not_stay(make: Callable[..., Path]) -> None:
    """What an earlier run wrote in another form goes with its results."""
    folder = make("run", {"grouping": "per_formulation"})
    path = folder / "config" / "realization.json"
    grouped = path.read_text()
    run(folder, progress=False)
    for text, names in (
        (grouped.replace("per_formulation", "per_feature"), {f"{catchment}.csv" for catchment in IDS}),
        (grouped, {"cat_output.csv"}),
        (grouped.replace('"grouping"', '"enable": false, "grouping"'), set()),
    ):
        path.write_text(text)
        run(folder, progress=False)
        assert tables(folder).keys() == names


@pytest.mark.parametrize(
    ("catchment", "keys", "expected"),
    [
        (None, {}, "per_feature"),
        ({}, {}, "per_feature"),
        ({"grouping": "per_formulation"}, {}, "per_formulation"),
        ({"enable": False}, {}, "none"),
        (None, {"disable_catchment_output": True}, "none"),
        ({}, {"disable_catchment_output": True}, "per_feature"),
    ],
)
def test_what_the_realization_asks_for(
    make: Callable[..., Path], catchment: dict[str, Any] | None, keys: dict[str, Any], expected: str
) -> None:
    """The old key counts where there is no ``output``, as in ngen."""
    assert read_realization(make("run", catchment, **keys)).tables == expected


def test_an_unknown_grouping_is_refused(make: Callable[..., Path]) -> None:
    """A word that ngen does not know is an error that names those it does."""
    with pytest.raises(ConfigError, match=r"output\.catchment\.grouping is 'per_rank', expected one of per_feature, per_formulation"):
        read_realization(make("run", {"grouping": "per_rank"}))
