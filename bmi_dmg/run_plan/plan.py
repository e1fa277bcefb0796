"""A run that can start: what is run, on which weather, and what is exchanged with the objects at every step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bmipy import Bmi

from bmi_dmg.run_folder.forcing_reader import ForcingReader
from bmi_dmg.run_folder.hydrofabric import Catchments
from bmi_dmg.run_folder.realization import Realization
from bmi_dmg.run_folder.units import Converter
from bmi_dmg.run_plan.lifecycle import Constructor, Variable
from bmi_dmg.variables import PRECIPITATION
from dmg_core.errors import ConfigError


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

    @property
    def place_of_precipitation(self) -> int | None:
        """Which of the inputs is precipitation in mm/h; None if none is, as far as is known."""
        known = PRECIPITATION.name, PRECIPITATION.units
        places = [place for place, given in enumerate(self.inputs) if (given.variable.name, given.variable.units) == known]
        return places[0] if places else None


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
    sources : frozenset of Path
        Model folders, and states to start from, that BMI configs of our class name.
    restart_folders : frozenset of Path
        Folders that they name for restart files.
    """

    realization: Realization
    catchments: Catchments
    forcing: ForcingReader
    construct: Constructor
    first_model: Bmi
    exchange: Exchange
    sources: frozenset[Path] = frozenset()
    restart_folders: frozenset[Path] = frozenset()
