"""Tables made from the code are complete."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import typer.main
from mkdocs.exceptions import PluginError

from bmi_dmg.cli.main import app
from bmi_dmg.config.bmi_config import SETTINGS, WITHOUT_EFFECT
from bmi_dmg.variables import INPUTS, OUTPUTS, outputs_of
from dmg_core.engine.state_access import stores_by_name
from dmg_core.models import PROCESS_MODELS
from tests.dmg_core.factories import FAMILY


def _rows(table: str) -> dict[str, list[str]]:
    """Cells of a table after its header, by the code in the first cell."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    return {re.findall(r"`([^`]+)`", cells[0])[0]: cells for cells in lines}


def test_all_inputs_are_told(reference: ModuleType) -> None:
    """Every input stands there once, with units, range and the methods that take it."""
    rows = _rows(reference.generated("inputs"))
    variables = {variable.name: variable for method in INPUTS.values() for variable in method}
    assert rows.keys() == variables.keys()
    for name, (_, units, possible, methods) in rows.items():
        assert units == f"`{variables[name].units}`"
        assert possible == f"{variables[name].low:g} … {variables[name].high:g}"
        assert set(re.findall(r"`(\w+)`", methods)) == {method for method, taken in INPUTS.items() if variables[name] in taken}


def test_all_outputs_are_told(reference: ModuleType) -> None:
    """Every output stands there once, in order, with units and meaning."""
    rows = _rows(reference.generated("outputs"))
    assert [(f"`{name}`", *cells[1:]) for name, cells in rows.items()] == [
        (f"`{variable.name}`", f"`{variable.units}`", variable.meaning) for variable in OUTPUTS
    ]


def test_all_unpublished_variables_are_told(reference: ModuleType) -> None:
    """Names that are in no list stand in the tables: those of ngen's protocols in both dialects, and those of the state."""
    protocols, states = _rows(reference.generated("protocols")), _rows(reference.generated("states"))
    assert {f"ngen::mass_{term}" for term in ("in", "out", "stored", "leaked")} < protocols.keys()
    for word in ("create", "size", "state", "free"):
        assert {f"ngen::serialization_{word}", f"serialization_{word}"} < protocols.keys()
    assert "reset_time" in protocols
    assert states.keys() == {
        *(f"state::{name}" for name in (*stores_by_name(PROCESS_MODELS["Hbv_2_1_hourly"]), "network_hidden", "network_cell")),
        "missing_forcing_hours",
    }
    assert states["state::excess_store_1"][2] == "SIE1, one value per component (2.1 hourly)"


def test_all_parameters_are_told(reference: ModuleType) -> None:
    """Every parameter of every variant stands there once, with range and units; parK0 has another range in 2.1, next to the first."""
    members = [PROCESS_MODELS[name] for name in FAMILY]
    tables = [[replace(parameter, constant=None) for parameter in member.parameters] for member in members]
    expected = {
        (
            f"`{parameter.name}`",
            f"{parameter.low:g} … {parameter.high:g}",
            f"`{parameter.unit}`",
            parameter.meaning,
            sum(parameter in table for table in tables),
        )
        for table in tables
        for parameter in table
    }
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in reference.generated("parameters").splitlines()[2:]]
    assert sorted((*cells, len(models.split(", "))) for *cells, models in rows) == sorted(expected)
    of_K0 = [place for place, cells in enumerate(rows) if cells[0] == "`parK0`"]
    assert len(of_K0) == 2
    assert of_K0[1] == of_K0[0] + 1
    assert rows[of_K0[1]][1:] == ["0.05 … 12", "`1/d`", "recession of near-surface flow", "2.1 hourly"]
    assert reference.generated("routing").count("`route_a`") == len(FAMILY)


def test_the_equations_of_all_models_are_told(reference: ModuleType) -> None:
    """Every model of the package has a section with its citation, every parameter, and the BMI variable of every store and flux."""
    sections = dict(re.findall(r"^## [^`\n]*\(`(\w+)`\)\n(.*?)(?=^## |\Z)", reference.generated("equations"), re.MULTILINE | re.DOTALL))
    own = [name for name in PROCESS_MODELS if PROCESS_MODELS[name].__module__.startswith("dmg_core.")]
    assert sorted(sections) == sorted(own)
    for name, text in sections.items():
        model = PROCESS_MODELS[name]()
        assert re.search(r"(19|20)\d\d\b", text.split("|")[0]), f"{name}: no source"
        variables = {variable.source: variable.name for variable in outputs_of(model)}
        cells = [re.findall(r"`([^`]+)`", line) for line in text.splitlines() if line.startswith("| `")]
        rows = {name: variables for name, *variables in cells}
        assert {parameter.name for parameter in model.parameters} < rows.keys()
        for store in model.stores:
            assert rows[store.name] == [variables[store.output]]
        for flux in model.fluxes:
            assert rows[flux.name] == [variables[flux.name], *([variables[flux.routed_name]] if flux.routed else [])]


def test_every_process_of_hbv_is_told_with_its_source(reference: ModuleType) -> None:
    """Each process has its equation and whose it is; what a docstring marks up in its own way is Markdown."""
    text = reference.generated("processes")
    parts = re.split(r"^#### ", text, flags=re.MULTILINE)[1:]
    assert len(parts) == 15
    for part in parts:
        assert "`" in part, part
        assert re.search(r"\b(19|20)\d\d\b", part.split("\n### ")[0]), part
    assert "``" not in text
    assert ":func:" not in text
    assert "`melt = min(CFMAX max(T - TT, 0), SP / dt)` (Seibert 2005)." in text


def test_all_commands_are_told(reference: ModuleType) -> None:
    """The help of every command and subcommand is there."""
    text = reference.generated("commands")

    def names(command: object, words: str) -> list[str]:
        below = getattr(command, "commands", {})
        return [words, *(name for key, inner in below.items() for name in names(inner, f"{words} {key}"))]

    for name in names(typer.main.get_command(app), "bmi-dmg"):
        assert re.search(rf"^##+ {name}\n\n```text\nUsage: {name} ", text, flags=re.MULTILINE), name


def test_an_unknown_marker_is_an_error(reference: ModuleType) -> None:
    """A marker that stands for nothing does not pass silently."""
    with pytest.raises(PluginError, match="nothing is generated under the name 'nonsense'"):
        reference.on_page_markdown("<!-- generated: nonsense -->")


def test_every_marker_is_used(root: Path, reference: ModuleType) -> None:
    """Every table stands on one page."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in (root / "docs").glob("*.md"))
    assert sorted(reference.MARKER.findall(text)) == sorted(reference.TEXTS)


def test_all_config_keys_are_told(root: Path) -> None:
    """The page of BMI configs has every key that means something, and every one that is passed over."""
    text = (root / "docs" / "configs.md").read_text(encoding="utf-8")
    assert {*SETTINGS, *WITHOUT_EFFECT} <= set(re.findall(r"`(\w+)`", text))
