"""The BMI of a δHBV catchment.

- :class:`BmiDeltaModel`: what ngen makes, one object per catchment; thin.
- :mod:`bmi_dmg.config`: its settings, from YAML.
- :mod:`bmi_dmg.variables`: what can be set and read.
- :mod:`bmi_dmg.weather`, :mod:`bmi_dmg.daily`, :mod:`bmi_dmg.hourly`: from the weather of an hour to a step of the model.
- :class:`dmg_core.Engine`: the model itself, shared by all objects of a process that name the same model folder.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, Final, NoReturn, TypeVar

import numpy as np
import numpy.typing as npt
from bmipy import Bmi

from bmi_dmg.config import TIME_STEPS, BmiConfig, read_config
from bmi_dmg.daily import DailyStepper
from bmi_dmg.hourly import HourlyStepper
from bmi_dmg.variables import INPUTS, OUTPUTS, PENMAN_MONTEITH_INPUTS, raise_unknown
from bmi_dmg.weather import Weather
from dmg_core.engine import Engine, shared_engine
from dmg_core.errors import ConfigError, StateError
from dmg_core.physics.hbv import OUTPUTS as ENGINE_OUTPUTS

Array = npt.NDArray[Any]
_T = TypeVar("_T")

OUTPUT_NAMES: Final = tuple(variable.name for variable in OUTPUTS)
UNITS: Final = {variable.name: variable.units for variable in (*PENMAN_MONTEITH_INPUTS, *OUTPUTS)}

TIME_STEP: Final = 3600.0
_GRID: Final = 0

_log = logging.getLogger(__name__)
_ignored: set[str] = set()


class BmiDeltaModel(Bmi):
    """δHBV of one catchment behind the Basic Model Interface 2.0.

    Time is in seconds from 0 at the configured ``start_time``, one step is an hour. All variables are float64 scalars on one grid of rank
    0. See the table of variables for names and units.
    """

    def __init__(self) -> None:
        self._stepper: DailyStepper | HourlyStepper | None = None
        self._inputs: dict[str, npt.NDArray[np.float64]] = {}
        self._views: dict[str, npt.NDArray[np.float64]] = {}
        self._input_names: tuple[str, ...] = ()

    # --- control -------------------------------------------------------------------------------------------------------------------------

    def initialize(self, config_file: str) -> None:
        """Read a configuration and join the engine of its model folder.

        Parameters
        ----------
        config_file : str
            Path of a YAML file; see :func:`bmi_dmg.config.read_config`.

        Raises
        ------
        DmgError
            If the configuration or the model folder is wrong. The object is unchanged then.
        """
        config = read_config(config_file)
        engine = shared_engine(config.model_dir, config.dtype, config.device, config.backend)
        _check_time_step(config, engine)
        attributes = config.attributes(engine.attribute_names)
        variables = INPUTS[config.pet_method]
        weather = Weather(config.catchment_id, variables)
        (catchment,) = engine.add({name: [value] for name, value in attributes.items()}, [config.catchment_id])

        if config.steps_per_day == 1:
            latitude = config.latitude if config.pet_method == "hargreaves" else None
            self._stepper = DailyStepper(catchment, weather, config.start_time, latitude)
        else:
            self._stepper = HourlyStepper(catchment, weather, config.start_time)
        self._input_names = tuple(variable.name for variable in variables)
        self._inputs = {name: weather.values[i : i + 1] for i, name in enumerate(self._input_names)}
        self._outputs = np.zeros(len(OUTPUTS))
        self._views = {**self._inputs, **{name: self._outputs[i : i + 1] for i, name in enumerate(OUTPUT_NAMES)}}
        self._sources = np.array([ENGINE_OUTPUTS.index(variable.source) for variable in OUTPUTS])
        self._factors = np.array([variable.factor(config.steps_per_day) for variable in OUTPUTS])

    def update(self) -> None:
        """Advance by one hour with the inputs as they are set.

        Raises
        ------
        ForcingError
            If an input is not set, not finite or physically impossible; nothing is changed then.
        """
        if self._stepper is None:
            self._refuse("update")
        outputs = self._stepper.step()
        if outputs is not None:
            outputs.take(self._sources, out=self._outputs)
            self._outputs *= self._factors

    def update_until(self, time: float) -> None:
        """Advance to a time, the inputs staying as they are set.

        Parameters
        ----------
        time : float
            Seconds; a whole number of steps ahead.

        Raises
        ------
        ValueError
            If it is no whole number of steps ahead.
        """
        steps = (time - self.get_current_time()) / TIME_STEP
        if not (steps >= 0 and steps % 1 == 0):
            now = self.get_current_time()
            raise ValueError(f"update_until({time}): expected a whole number of steps of {TIME_STEP:g} s after the current time {now:g} s")
        for _ in range(int(steps)):
            self.update()

    def finalize(self) -> None:
        """Let go of the engine."""
        self._stepper = None

    # --- values --------------------------------------------------------------------------------------------------------------------------

    def get_value_ptr(self, name: str) -> npt.NDArray[np.float64]:
        """Return a live view of a variable, shape (1,)."""
        view = self._views.get(name)
        return self._unknown(name) if view is None else view

    def get_value(self, name: str, dest: Array) -> Array:
        """Copy a variable into ``dest``, shape (1,), and return it."""
        dest[:] = self.get_value_ptr(name)
        return dest

    def get_value_at_indices(self, name: str, dest: Array, inds: Array) -> Array:
        """Copy items of a variable into ``dest`` and return it."""
        dest[:] = self.get_value_ptr(name)[inds]
        return dest

    def set_value(self, name: str, src: Array) -> None:
        """Copy a value into an input variable.

        A name this model does not know is ignored, as ngen's conventions ask; the first time is logged.

        Raises
        ------
        ValueError
            If ``src`` has not exactly one item, or the variable is an output.
        """
        view = self._inputs.get(name)
        if view is None:
            self._ignore(name)
            return
        try:
            view[:] = src
        except ValueError as error:
            raise ValueError(f"{name}: cannot be set to {src!r}, expected one number") from error

    def set_value_at_indices(self, name: str, inds: Array, src: Array) -> None:
        """Copy values into items of an input variable; see :meth:`set_value`."""
        if not np.array_equal(np.atleast_1d(inds), [0]):
            raise ValueError(f"{name}: indices are {inds!r}, expected [0]: every variable has one item")
        self.set_value(name, src)

    # --- what there is -------------------------------------------------------------------------------------------------------------------

    def get_component_name(self) -> str:
        """Return the name of the model."""
        return "δHBV (bmi_dmg)"

    def get_input_item_count(self) -> int:
        """Return the number of input variables."""
        return len(self.get_input_var_names())

    def get_output_item_count(self) -> int:
        """Return the number of output variables."""
        return len(OUTPUT_NAMES)

    def get_input_var_names(self) -> tuple[str, ...]:  # type: ignore[override]  # bmipy types a tuple of exactly one name
        """Return the names of the input variables: those the configured method of potential evapotranspiration needs."""
        if not self._input_names:
            self._refuse("input variables")
        return self._input_names

    def get_output_var_names(self) -> tuple[str, ...]:  # type: ignore[override]  # as above
        """Return the names of the output variables."""
        return OUTPUT_NAMES

    def get_var_units(self, name: str) -> str:
        """Return the units of a variable."""
        units = UNITS.get(name)
        return self._unknown(name) if units is None else units

    def get_var_type(self, name: str) -> str:
        """Return the type of a variable."""
        return "float64" if name in UNITS else self._unknown(name)

    def get_var_itemsize(self, name: str) -> int:
        """Return the bytes of one item of a variable."""
        return 8 if name in UNITS else self._unknown(name)

    def get_var_nbytes(self, name: str) -> int:
        """Return the bytes of a variable."""
        return 8 if name in UNITS else self._unknown(name)

    def get_var_location(self, name: str) -> str:
        """Return where on the grid a variable is defined."""
        return "node" if name in UNITS else self._unknown(name)

    def get_var_grid(self, name: str) -> int:
        """Return the grid of a variable."""
        return _GRID if name in UNITS else self._unknown(name)

    # --- time ----------------------------------------------------------------------------------------------------------------------------

    def get_start_time(self) -> float:
        """Return 0."""
        return 0.0

    def get_current_time(self) -> float:
        """Return the seconds stepped so far."""
        return 0.0 if self._stepper is None else self._stepper.hours * TIME_STEP

    def get_end_time(self) -> float:
        """Return the largest float: the framework decides when a run ends."""
        return sys.float_info.max

    def get_time_step(self) -> float:
        """Return 3600 s."""
        return TIME_STEP

    def get_time_units(self) -> str:
        """Return the units of time."""
        return "s"

    # --- grid ----------------------------------------------------------------------------------------------------------------------------

    def get_grid_type(self, grid: int) -> str:
        """Return the type of the only grid."""
        return self._of_grid(grid, "scalar")

    def get_grid_rank(self, grid: int) -> int:
        """Return the number of dimensions of the only grid."""
        return self._of_grid(grid, 0)

    def get_grid_size(self, grid: int) -> int:
        """Return the number of nodes of the only grid."""
        return self._of_grid(grid, 1)

    def get_grid_node_count(self, grid: int) -> int:
        """Return the number of nodes of the only grid."""
        return self._of_grid(grid, 1)

    def get_grid_edge_count(self, grid: int) -> int:
        """Return the number of edges of the only grid."""
        return self._of_grid(grid, 0)

    def get_grid_face_count(self, grid: int) -> int:
        """Return the number of faces of the only grid."""
        return self._of_grid(grid, 0)

    def get_grid_shape(self, grid: int, shape: Array) -> Array:
        """Return ``shape``, which has no items for a grid without dimensions."""
        return self._of_grid(grid, shape)

    def get_grid_spacing(self, grid: int, spacing: Array) -> Array:
        """Return ``spacing``, which has no items for a grid without dimensions."""
        return self._of_grid(grid, spacing)

    def get_grid_origin(self, grid: int, origin: Array) -> Array:
        """Return ``origin``, which has no items for a grid without dimensions."""
        return self._of_grid(grid, origin)

    def get_grid_x(self, grid: int, x: Array) -> Array:
        """Raise: the grid has no coordinates."""
        raise NotImplementedError("a scalar grid has no x")

    def get_grid_y(self, grid: int, y: Array) -> Array:
        """Raise: the grid has no coordinates."""
        raise NotImplementedError("a scalar grid has no y")

    def get_grid_z(self, grid: int, z: Array) -> Array:
        """Raise: the grid has no coordinates."""
        raise NotImplementedError("a scalar grid has no z")

    def get_grid_edge_nodes(self, grid: int, edge_nodes: Array) -> Array:
        """Raise: the grid has no edges."""
        raise NotImplementedError("a scalar grid has no edges")

    def get_grid_face_edges(self, grid: int, face_edges: Array) -> Array:
        """Raise: the grid has no faces."""
        raise NotImplementedError("a scalar grid has no faces")

    def get_grid_face_nodes(self, grid: int, face_nodes: Array) -> Array:
        """Raise: the grid has no faces."""
        raise NotImplementedError("a scalar grid has no faces")

    def get_grid_nodes_per_face(self, grid: int, nodes_per_face: Array) -> Array:
        """Raise: the grid has no faces."""
        raise NotImplementedError("a scalar grid has no faces")

    # --- errors --------------------------------------------------------------------------------------------------------------------------

    def _of_grid(self, grid: int, value: _T) -> _T:
        if grid != _GRID:
            raise KeyError(f"unknown grid {grid!r}; the only one is {_GRID}")
        return value

    def _refuse(self, what: str) -> NoReturn:
        raise StateError(f"{what}: the model is not initialized; call initialize(config_file) first")

    def _unknown(self, name: str) -> NoReturn:
        if name in UNITS and self._stepper is None:
            self._refuse(name)
        if name in UNITS:
            raise KeyError(f"{name} is no input with the configured pet_method; inputs are {', '.join(self._input_names)}")
        raise_unknown(name, UNITS)

    def _ignore(self, name: str) -> None:
        if name in OUTPUT_NAMES:
            raise ValueError(f"{name} is an output and cannot be set; inputs are {', '.join(self._input_names)}")
        if self._stepper is None:
            self._refuse("set_value")
        if name not in _ignored:
            _ignored.add(name)
            _log.info("set_value(%r) is ignored: no input of this model; inputs are %s", name, ", ".join(self._input_names))


def _check_time_step(config: BmiConfig, engine: Engine) -> None:
    """Refuse a model that does not step as the configuration says.

    Raises
    ------
    ConfigError
        If the time steps differ, or an hourly model is to use a daily equation.
    """
    variant = engine.model.physics.variant
    if variant.steps_per_day != config.steps_per_day:
        says = {steps: text for text, steps in TIME_STEPS.items()}
        raise ConfigError(
            f"{config.path}: time_step is {says[config.steps_per_day]!r}, but {config.model_dir} holds {variant.name}, "
            f"a model of {says[variant.steps_per_day]!r}"
        )
    if config.steps_per_day > 1 and config.pet_method == "hargreaves":
        raise ConfigError(
            f"{config.path}: pet_method is 'hargreaves', which is daily; the hourly model {variant.name} needs 'penman_monteith'"
        )
