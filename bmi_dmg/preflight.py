"""The look at a run folder before anything runs: every problem is found and all are told at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import ParamSpec, TypeVar

from bmipy import Bmi

from bmi_dmg.forcings import ForcingReader, open_forcing
from bmi_dmg.hydrofabric import Catchments, find_catchments
from bmi_dmg.lifecycle import Constructor, Variable, describe, finalize_all, initialized, interface_of, load_class
from bmi_dmg.realization import Formulation, Realization
from bmi_dmg.units import Converter, converter
from dmg_core.errors import ConfigError, DmgError

MAX_LISTED = 10
NO_CATCHMENTS = Catchments(ids=())

P = ParamSpec("P")
T = TypeVar("T")


class RunFolderError(ConfigError):
    """Raise if a run folder cannot be run.

    Attributes
    ----------
    problems : tuple of str
        Everything that is wrong with it.
    """

    def __init__(self, run_folder: Path, problems: Sequence[str]) -> None:
        """List the problems of a run folder."""
        self.problems = tuple(problems)
        lines = "".join(f"\n  - {problem}" for problem in problems)
        super().__init__(f"{run_folder} cannot be run; {len(problems)} problem{'s' if len(problems) > 1 else ''}:{lines}")


@dataclass(frozen=True)
class Input:
    """One input of the BMI class and where its values come from.

    Attributes
    ----------
    variable : Variable
        The input.
    source : str
        Name of the forcing variable.
    convert : Converter or None
        From the forcing's unit to the input's.
    """

    variable: Variable
    source: str
    convert: Converter | None


@dataclass(frozen=True)
class Output:
    """One output that is read after every step.

    Attributes
    ----------
    variable : Variable
        The output.
    header : str or None
        Header of its CSV column; None for a main output that has none.
    """

    variable: Variable
    header: str | None


@dataclass(frozen=True)
class Exchange:
    """What is set before each step and read after it.

    Attributes
    ----------
    inputs : tuple of Input
        In the order the BMI class names them.
    outputs : tuple of Output
        The columns of the CSV in their order; the main output at the end if it is none of them.
    main_output : str
        BMI name of the runoff.
    """

    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    main_output: str


@dataclass(frozen=True)
class RunPlan:
    """A run that can start.

    Attributes
    ----------
    realization : Realization
        What is to be run.
    catchments : Catchments
        The catchments, in the order they are stepped.
    forcing : ForcingReader
        Open; whoever has the plan closes it.
    construct : Constructor
        Makes a BMI object.
    first_model : Bmi
        The first catchment's object, already initialised.
    exchange : Exchange
        What is set before each step and read after it.
    """

    realization: Realization
    catchments: Catchments
    forcing: ForcingReader
    construct: Constructor
    first_model: Bmi
    exchange: Exchange


def check_run(run_folder: Path, realization: Realization) -> RunPlan:
    """Check all that a run needs; the working directory must be the run folder.

    To learn the names and units of the BMI class, one object is made and initialised.

    Parameters
    ----------
    run_folder : Path
        The folder.
    realization : Realization
        Its realization.

    Raises
    ------
    RunFolderError
        If anything is wrong; it lists everything.
    """
    formulation, problems = realization.formulation, _Problems()
    with ExitStack() as opened:
        catchments = problems.attempt(find_catchments, run_folder, formulation.init_config) or NO_CATCHMENTS
        configured = _with_config(formulation, catchments.ids, problems)
        forcing = problems.attempt(open_forcing, realization.forcing, catchments.ids)
        if forcing is not None:
            opened.callback(forcing.close)
            problems.found.extend(_gaps(forcing, realization, catchments.ids))
        construct = problems.attempt(load_class, formulation.python_type)
        model = problems.attempt(initialized, construct, formulation, configured[0]) if construct and configured else None
        exchange = None
        if model is not None:
            opened.callback(finalize_all, [(configured[0], model)])
            exchange = _exchange(model, realization, forcing, problems)
        if problems.found or forcing is None or construct is None or model is None or exchange is None:
            raise RunFolderError(run_folder, problems.found)
        opened.pop_all()
    return RunPlan(realization, catchments, forcing, construct, model, exchange)


class _Problems:
    """Problems found so far."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def attempt(self, do: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """Do something; if it is a problem, note it and give None."""
        try:
            return do(*args, **kwargs)
        except DmgError as error:
            if str(error) not in self.found:
                self.found.append(str(error))
            return None


def _with_config(formulation: Formulation, ids: Sequence[str], problems: _Problems) -> list[str]:
    paths = {catchment: Path(formulation.config_of(catchment)) for catchment in ids}
    without = [catchment for catchment, path in paths.items() if not (path.is_file() and os.access(path, os.R_OK))]
    if without:
        problems.found.append(f"BMI config '{formulation.init_config}' is missing or not readable for {_listing(without)}")
    return [catchment for catchment in ids if catchment not in set(without)]


def _gaps(forcing: ForcingReader, realization: Realization, ids: Sequence[str]) -> list[str]:
    """Give the problems with catchments and hours that the forcing lacks."""
    problems = []
    without = [catchment for catchment in ids if catchment not in forcing.catchments]
    if without:
        problems.append(f"{forcing.source}: no forcing for {_listing(without)}")
    short: dict[tuple[datetime, datetime], list[str]] = {}
    for catchment in ids:
        if catchment in forcing.catchments:
            first, last = forcing.coverage(catchment)
            if first > realization.start or last < realization.end:
                short.setdefault((first, last), []).append(catchment)
    for (first, last), catchments in short.items():
        problems.append(
            f"{forcing.source}: forcing from {first} to {last} does not cover the run from {realization.start} to {realization.end} (the "
            f"step that starts at the end time is run too) for {_listing(catchments)}"
        )
    return problems


def _exchange(model: Bmi, realization: Realization, forcing: ForcingReader | None, problems: _Problems) -> Exchange | None:
    """Match what an object takes and gives with forcing and realization; None if there was a problem."""
    interface = problems.attempt(interface_of, model)
    if interface is None:
        return None
    declared, names = interface
    formulation = realization.formulation
    inputs = [problems.attempt(_input, variable, formulation, forcing) for variable in declared] if forcing is not None else []
    columns = names if formulation.output_variables is None else formulation.output_variables
    headers = columns if formulation.output_header_fields is None else formulation.output_header_fields
    if len(set(columns)) != len(columns):
        problems.found.append(f"{realization.path}: output_variables names a variable twice: {', '.join(columns)}")
    outputs = [problems.attempt(_output, model, names, realization, *column) for column in zip(columns, headers, strict=True)]
    main = problems.attempt(_output, model, names, realization, formulation.main_output_variable, None)
    if main is None:
        return None
    if all(output is None or output.variable != main.variable for output in outputs):
        outputs.append(main)
    return Exchange(
        inputs=tuple(given for given in inputs if given is not None),
        outputs=tuple(read for read in outputs if read is not None),
        main_output=main.variable.name,
    )


def _input(variable: Variable, formulation: Formulation, forcing: ForcingReader) -> Input:
    source = formulation.variables_names_map.get(variable.name, variable.name)
    if variable.n_items != 1:
        raise ConfigError(f"input '{variable.name}' has {variable.n_items} values per catchment; forcing has one")
    if source not in forcing.units:
        raise ConfigError(f"{forcing.source}: no variable '{source}' for input '{variable.name}'; it has {', '.join(forcing.units)}")
    try:
        return Input(variable, source, converter(forcing.units[source], variable.units))
    except ConfigError as error:
        raise ConfigError(f"{forcing.source}: '{source}' for input '{variable.name}': {error}") from error


def _output(model: Bmi, names: Sequence[str], realization: Realization, wanted: str, header: str | None) -> Output:
    """Find an output by its BMI name or its alias."""
    aliases = {alias: name for name, alias in realization.formulation.variables_names_map.items() if name in names}
    name = wanted if wanted in names else aliases.get(wanted)
    if name is None:
        near = get_close_matches(wanted, [*names, *aliases], n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"the outputs are {', '.join(names)}"
        raise ConfigError(f"{realization.path}: output variable '{wanted}' is unknown; {hint}")
    return Output(describe(model, name), header)


def _listing(catchments: Sequence[str]) -> str:
    """Name some catchments in a message: the first ones, and how many more there are."""
    if len(catchments) <= MAX_LISTED:
        return ", ".join(catchments)
    return f"{', '.join(catchments[:MAX_LISTED])} and {len(catchments) - MAX_LISTED} more"
