"""Fills the reference pages with tables made from the code: ``<!-- generated: outputs -->`` becomes the table of outputs."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any, Final

from mkdocs.exceptions import PluginError

from bmi_dmg.bmi.hidden_variables import MISSING_HOURS, STATE
from bmi_dmg.bmi.mass_balance import MassBalance
from bmi_dmg.bmi.protocols import HiddenVariable, Serialization
from bmi_dmg.variables import INPUTS, OUTPUTS, InputVariable, OutputVariable, outputs_of
from dmg_core.models import PROCESS_MODELS, Flux, Parameter, ProcessModel, Store
from dmg_core.models.hbv import groundwater, overland, snow, soil

MARKER: Final = re.compile(r"<!-- generated: (\w+) -->")
#: Columns that help on the command line is wrapped to.
HELP_WIDTH: Final = 100

#: Names that people give the variants.
VARIANT_TITLES: Final = {"Hbv": "1.0", "Hbv_1_1p": "1.1p", "Hbv_2": "2.0", "Hbv_2_hourly": "2.0 hourly", "Hbv_2_1_hourly": "2.1 hourly"}

#: The members of the family.
MEMBERS: Final[dict[str, type[ProcessModel]]] = {name: PROCESS_MODELS[name] for name in VARIANT_TITLES}

#: Models of the equations page, and their titles.
MODELS: Final = {
    **{name: f"HBV {title}" for name, title in VARIANT_TITLES.items()},
    "Hbv_implicit": "HBV in rates",
    "Hbv_implicit_capillary": "HBV in rates with capillary rise",
    "Hbv_implicit_emptied": "HBV in rates, stores emptied",
    "Hbv_implicit_emptied_capillary": "HBV in rates with capillary rise, stores emptied",
    "Gr4": "GR4",
    "Gr4_implicit": "GR4 in rates",
    "Hymod": "HyMOD",
    "none": "No process equations",
    "Photosynthesis": "Leaf photosynthesis",
}

#: Lengths of steps by their number in a day.
STEPS: Final = {1: "a day", 24: "an hour"}

#: What a flux is in the balance.
BALANCE: Final = {"in": "enters", "out": "leaves", "exchange": "exchanged, positive: gained", "clipping": "cut off by bounds", None: ""}

#: Parts of the state of an LSTM, by the names by which they are set from outside.
NETWORK: Final = ("network_hidden", "network_cell")

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
    """Table of the inputs, and which methods of potential evapotranspiration take them."""
    every = {variable.name: variable for variables in INPUTS.values() for variable in variables}
    return _table(("name and meaning", "units", "possible values", "taken by"), [_input_cells(variable) for variable in every.values()])


def _input_cells(variable: InputVariable) -> Row:
    methods = "<br>".join(_code(method) for method, variables in INPUTS.items() if variable in variables)
    return f"{_code(variable.name)}<br>{variable.meaning}", _code(variable.units), f"{variable.low:g} … {variable.high:g}", methods


def outputs() -> str:
    """Table of the outputs that all members of the family have."""
    return _outputs_of(OUTPUTS)


def other_models() -> str:
    """Tables of the outputs that single members have besides, and of those of the other models that come with the package."""
    common = {variable.name for variable in OUTPUTS}
    tables = {title: [one for one in outputs_of(MEMBERS[name]()) if one.name not in common] for name, title in VARIANT_TITLES.items()} | {
        name: list(outputs_of(PROCESS_MODELS[name]())) for name in PROCESS_MODELS if _is_other(name)
    }
    return "\n\n".join(f"Outputs of {title}:\n\n{_outputs_of(variables)}" for title, variables in tables.items() if variables)


def _is_other(name: str) -> bool:
    """Whether a model of the package has outputs of its own: those of HBV in rates are the family's."""
    families = {member.family for member in MEMBERS.values()}
    return PROCESS_MODELS[name].family not in families and PROCESS_MODELS[name].__module__.startswith("dmg_core.")


def _outputs_of(variables: Iterable[OutputVariable]) -> str:
    return _table(("name", "units", "meaning"), [(_code(one.name), _code(one.units), one.meaning) for one in variables])


def protocols() -> str:
    """Table of the hidden variables that ngen's protocols ask for."""
    serialization = Serialization(bytes, lambda *_: None)  # nothing is captured or restored: only names and units are asked for
    variables: dict[str, HiddenVariable] = {**MassBalance().variables(), **serialization.variables()}
    rows = [(_code(name), _code(variable.units), _code(variable.type)) for name, variable in variables.items()]
    return _table(("name", "units", "type"), rows)


def states() -> str:
    """Table of the hidden variables that are the state of a catchment, and of what is counted."""
    stores = {store.name: store for member in MEMBERS.values() for store in member.stores}
    rows = [
        (_code(STATE + store.state_name), _code(store.unit), f"{name}, one value per component{_only_in(store)}")
        for name, store in stores.items()
    ]
    rows += [(_code(STATE + name), "`1`", "network state, one value per hidden unit") for name in NETWORK]
    rows.append((_code(MISSING_HOURS), "`h`", "hours in which each input was missing; can be read only"))
    return _table(("name", "units", "meaning"), rows)


def _only_in(store: Store) -> str:
    """Say which members have a store, unless all have it."""
    having = [title for name, title in VARIANT_TITLES.items() if store.name in {one.name for one in MEMBERS[name].stores}]
    return "" if len(having) == len(MEMBERS) else f" ({', '.join(having)})"


def parameters() -> str:
    """Table of all parameters, and the members that have them; a parameter whose range is not the same in all has several rows."""
    every = dict.fromkeys(replace(parameter, constant=None) for member in MEMBERS.values() for parameter in member.parameters)
    names = dict.fromkeys(parameter.name for parameter in every)
    rows = [(*_parameter_cells(parameter), _members_with(parameter)) for name in names for parameter in every if parameter.name == name]
    return _table(("name", "range", "units", "meaning", "models"), rows)


def _parameter_cells(parameter: Parameter) -> Row:
    return _code(parameter.name), f"{parameter.low:g} … {parameter.high:g}", _code(parameter.unit), parameter.meaning


def _members_with(parameter: Parameter) -> str:
    titles = [
        VARIANT_TITLES[name] + ("" if own.constant is None else " (if dynamic)")
        for name, member in MEMBERS.items()
        for own in member.parameters
        if replace(own, constant=None) == parameter
    ]
    return ", ".join(titles)


def routing() -> str:
    """Table of the parameters of the unit hydrograph."""
    header = ("name", "range", "units", "meaning", "model", "steps of the hydrograph")
    rows = [
        (*_parameter_cells(parameter), VARIANT_TITLES[name], str(member.hydrograph_steps))
        for name, member in MEMBERS.items()
        for parameter in (member.route_a, member.route_b)
    ]
    return _table(header, rows)


def processes() -> str:
    """Equations of the processes of HBV, from the docstrings of their functions."""
    return "\n\n".join(_process_texts(module) for module in (snow, soil, overland, groundwater))


def _process_texts(module: ModuleType) -> str:
    """Give what a module says of its symbols, then its functions in the order in which they stand there."""
    title, symbols = (inspect.getdoc(module) or "").split("\n\n", 1)
    functions = [one for one in vars(module).values() if inspect.isfunction(one) and one.__module__ == module.__name__]
    texts = [f"#### {one.__name__.replace('_', ' ').capitalize()}\n\n{_text(one)}" for one in functions]
    return "\n\n".join([f"### {title.rstrip('.')}", _text(symbols), *texts])


def equations() -> str:
    """Equations of every process model, with its parameters, stores and fluxes, and the BMI variables of these."""
    return "\n\n".join(_model_text(PROCESS_MODELS[name], f"{title} (`{name}`)") for name, title in MODELS.items())


def _model_text(kind: type[ProcessModel], title: str) -> str:
    published = {variable.source: _code(variable.name) for variable in outputs_of(kind())}
    stores = [(_code(one.name), one.unit, one.meaning, published[one.output]) for one in kind.stores]
    fluxes = [(_code(one.name), one.unit, one.meaning, BALANCE[one.balance], _variables_of(one, published)) for one in kind.fluxes]
    forcings = ", ".join(f"{_code(one.name)} ({one.unit})" for one in kind.forcings)
    step = f"Its step is {STEPS[kind.steps_per_day]}" if stores else "It has no stores, so that every moment stands on its own"
    read = ", ".join(f"{_code(one.name)} ({one.unit}, {one.meaning})" for one in kind.attributes)
    return "\n\n".join(
        [
            f"## {title}",
            _text(kind),
            f"{step}; its forcings are {forcings}.{f' Of a place it reads {read}.' if read else ''}",
            _table(("parameter", "range", "units", "meaning"), map(_parameter_cells, kind.parameters)),
            *([_table(("store", "units", "meaning", "BMI variable"), stores)] if stores else []),
            _table(("flux", "units", "meaning", "in the balance", "BMI variable"), fluxes),
        ]
    )


def _variables_of(flux: Flux, published: dict[str, str]) -> str:
    names = [published[flux.name], *([f"{published[flux.routed_name]} after routing"] if flux.routed else [])]
    return "<br>".join(names)


def _text(documented: object) -> str:
    """Docstring of an object, or text like one, without its sections, as Markdown."""
    text = documented if isinstance(documented, str) else inspect.getdoc(documented) or ""
    text = re.split(r"\n\n\w+\n-{3,}\n", text)[0]
    text = re.sub(r":\w+:`(?:.*<|~)?([^`>]*)>?`", r"`\1`", text)
    text = text.replace("``", "`")
    text = re.sub(r"::\n\n((?: +.*\n?|\n)+)", lambda match: f":\n\n```text\n{inspect.cleandoc(match[1])}\n```\n\n", text)
    return text.strip()


def commands() -> str:
    """Help texts of the command and all its subcommands."""
    import typer.main

    from bmi_dmg.cli.main import app

    return "\n\n".join(_help_texts(typer.main.get_command(app), ()))


def _help_texts(command: Any, words: tuple[str, ...]) -> Iterator[str]:
    """Give the help of a command, then that of what is below it."""
    from typer.testing import CliRunner

    from bmi_dmg.cli.main import app

    arguments = [*words, "--help"]
    help_text = CliRunner().invoke(app, arguments, prog_name="bmi-dmg", terminal_width=HELP_WIDTH).output
    title = " ".join(["bmi-dmg", *words])
    yield f"{'##' if len(words) < 2 else '###'} {title}\n\n```text\n{help_text.strip()}\n```"
    for name, below in sorted(getattr(command, "commands", {}).items()):
        yield from _help_texts(below, (*words, name))


def _code(text: str) -> str:
    return f"`{text}`"


def _table(header: Row, rows: Iterable[Row]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


#: Marker -> what makes its text.
TEXTS: Final[dict[str, Callable[[], str]]] = {
    "inputs": inputs,
    "outputs": outputs,
    "other_models": other_models,
    "protocols": protocols,
    "states": states,
    "parameters": parameters,
    "routing": routing,
    "processes": processes,
    "equations": equations,
    "commands": commands,
}
