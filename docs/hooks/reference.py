"""Fills the reference pages with tables made from the code: ``<!-- generated: outputs -->`` becomes the table of outputs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from mkdocs.exceptions import PluginError

from bmi_dmg.mass_balance import MassBalance
from bmi_dmg.protocols import Serialization, Unpublished
from bmi_dmg.unpublished import MISSING_HOURS, STATE
from bmi_dmg.variables import INPUTS, OUTPUTS, InputVariable
from dmg_core.assimilation import NETWORK, STORES
from dmg_core.parameters import VARIANTS, Parameter, Variant

MARKER: Final = re.compile(r"<!-- generated: (\w+) -->")
#: Columns that help on the command line is wrapped to.
HELP_WIDTH: Final = 100

#: Names that people give the variants.
VARIANT_TITLES: Final = {"Hbv": "1.0", "Hbv_1_1p": "1.1p", "Hbv_2": "2.0", "Hbv_2_hourly": "2.0 hourly"}

Row = Sequence[str]


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the markers of a page; MkDocs calls this."""
    return MARKER.sub(lambda match: generated(match[1]), markdown)


def generated(name: str) -> str:
    """Make the text that a marker stands for.

    Raises
    ------
    PluginError
        If there is no such text.
    """
    if name not in TEXTS:
        raise PluginError(f"nothing is generated under the name {name!r}; there are {', '.join(TEXTS)}")
    return TEXTS[name]()


def inputs() -> str:
    """Table of the inputs, and which method of potential evapotranspiration takes them."""
    methods = list(INPUTS)
    every = {variable.name: variable for variables in INPUTS.values() for variable in variables}
    rows = [(*_input_cells(variable), *("yes" if variable in INPUTS[method] else "" for method in methods)) for variable in every.values()]
    return _table(("name", "units", "possible values", "meaning", *(f"`{method}`" for method in methods)), rows)


def _input_cells(variable: InputVariable) -> Row:
    return _code(variable.name), _code(variable.units), f"{variable.low:g} … {variable.high:g}", variable.meaning


def outputs() -> str:
    """Table of the outputs."""
    rows = [(_code(variable.name), _code(variable.units), variable.meaning) for variable in OUTPUTS]
    return _table(("name", "units", "meaning"), rows)


def protocols() -> str:
    """Table of the unpublished variables that ngen's protocols ask for."""
    serialization = Serialization(lambda: b"", lambda data, new_window: None)
    variables: dict[str, Unpublished] = {**MassBalance().variables(), **serialization.variables()}
    rows = [(_code(name), _code(variable.units), _code(variable.type)) for name, variable in variables.items()]
    return _table(("name", "units", "type"), rows)


def states() -> str:
    """Table of the unpublished variables that are the state of a catchment, and of what is counted."""
    rows = [(_code(STATE + name), "`mm`", f"{symbol}, one value per component") for name, symbol in STORES.items()]
    rows += [(_code(STATE + name), "`1`", "network state, one value per hidden unit") for name in NETWORK]
    rows.append((_code(MISSING_HOURS), "`h`", "hours in which each input was missing; can be read only"))
    return _table(("name", "units", "meaning"), rows)


def parameters() -> str:
    """Table of all parameters, and the variants that have them."""
    every = {parameter.name: parameter for variant in VARIANTS.values() for parameter in _all_of(variant)}
    header = ("name", "range", "units", "meaning", *(VARIANT_TITLES.get(name, name) for name in VARIANTS))
    return _table(header, [(*_parameter_cells(parameter), *_marks(parameter)) for parameter in every.values()])


def _all_of(variant: Variant) -> tuple[Parameter, ...]:
    extra = () if variant.only_when_dynamic is None else (variant.only_when_dynamic,)
    return (*variant.parameters, *extra)


def _parameter_cells(parameter: Parameter) -> Row:
    return _code(parameter.name), f"{parameter.low:g} … {parameter.high:g}", _code(parameter.unit), parameter.meaning


def _marks(parameter: Parameter) -> Iterable[str]:
    for variant in VARIANTS.values():
        yield "yes" if parameter in variant.parameters else "if dynamic" if parameter in _all_of(variant) else ""


def routing() -> str:
    """Table of the parameters of the unit hydrograph."""
    header = ("name", "range", "units", "meaning", "model", "steps of the hydrograph")
    rows = [
        (*_parameter_cells(parameter), VARIANT_TITLES.get(name, name), str(variant.hydrograph_steps))
        for name, variant in VARIANTS.items()
        for parameter in (variant.route_a, variant.route_b)
    ]
    return _table(header, rows)


def commands() -> str:
    """Help texts of the command and all its subcommands."""
    import typer.main
    from typer.testing import CliRunner

    from bmi_dmg.cli import app

    runner, texts = CliRunner(), []
    for name in ("", *sorted(typer.main.get_command(app).commands)):  # type: ignore[attr-defined]  # a group has commands
        arguments = [*([name] if name else []), "--help"]
        text = runner.invoke(app, arguments, prog_name="bmi-dmg", env={"COLUMNS": str(HELP_WIDTH)}, terminal_width=HELP_WIDTH).output
        texts.append(f"## bmi-dmg {name}".rstrip() + f"\n\n```text\n{text.strip()}\n```")
    return "\n\n".join(texts)


def _code(text: str) -> str:
    return f"`{text}`"


def _table(header: Row, rows: Iterable[Row]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


#: Marker -> what makes its text.
TEXTS: Final[dict[str, Callable[[], str]]] = {
    "inputs": inputs,
    "outputs": outputs,
    "protocols": protocols,
    "states": states,
    "parameters": parameters,
    "routing": routing,
    "commands": commands,
}

