"""The BMI of a catchment of a differentiable hydrological model.

- :class:`BmiDeltaModel`: what ngen makes, one object per catchment; thin.
- :mod:`bmi_dmg.config.bmi_config` and :mod:`bmi_dmg.bmi.startup`: its settings, from YAML, and how it starts by them.
- :mod:`bmi_dmg.variables`: what can be set and read; :mod:`bmi_dmg.bmi.hidden_lookup`: what else may be asked for.
- :mod:`bmi_dmg.stepping`: from the weather of an hour to a step of the model.
- :mod:`bmi_dmg.bmi.restart`: its state, to and from files.
- :class:`dmg_core.Engine`: the model itself, shared by all objects of a process that name the same model folder.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, Final, NoReturn

import numpy as np
import numpy.typing as npt

from bmi_dmg.bmi.hidden_lookup import HiddenLookup
from bmi_dmg.bmi.hidden_variables import STATE, no_such
from bmi_dmg.bmi.mass_balance import budget_terms
from bmi_dmg.bmi.protocols import HiddenVariable, Serialization
from bmi_dmg.bmi.quantiles import quantile_outputs
from bmi_dmg.bmi.restart import Checkpoints, shared_checkpoints, state_of, states_of
from bmi_dmg.bmi.scalar_grid import GRID, ScalarGrid
from bmi_dmg.bmi.startup import start
from bmi_dmg.config.bmi_config import read_config
from bmi_dmg.stepping.layout import default_layout
from bmi_dmg.stepping.stepper import Stepper
from bmi_dmg.variables import raise_unknown
from dmg_core.engine.state import States
from dmg_core.errors import ConfigError, StateError

Array = npt.NDArray[Any]

TIME_STEP: Final = 3600.0

_log = logging.getLogger(__name__)
_ignored: set[str] = set()

#: Of an object that is not initialized.
_NO_PLACES: Final[dict[str, int]] = {}
_NO_NUMBERS: Final = np.zeros(0).data


class BmiDeltaModel(ScalarGrid):
    """δHBV of one catchment behind the Basic Model Interface 2.0.

    Time is in seconds from 0 at the configured ``start_time``, one step is an hour. All variables are float64 scalars on one grid of rank
    0. See the table of variables for names and units. Besides them there are hidden ones, which no list names: ngen's mass balance
    and serialization, the state, and counts of missing forcing.
    """

    # The calls of an hour touch the object, its stepper and the row that both share, nothing else of its own.
    __slots__ = ("_checkpoints", "_hidden", "_inputs", "_numbers", "_outputs", "_places", "_start", "_stepper", "_units", "_views")

    def __init__(self) -> None:
        self._stepper: Stepper | None = None
        self._checkpoints: Checkpoints | None = None
        self._numbers, self._start = _NO_NUMBERS, 0
        self._inputs, self._places = _NO_PLACES, _NO_PLACES
        self._units, self._outputs = default_layout()
        self._views: dict[str, npt.NDArray[np.float64]] = {}
        self._hidden = HiddenLookup(Serialization(self._capture, self._restore))

    # --- control -------------------------------------------------------------------------------------------------------------------------

    def initialize(self, config_file: str) -> None:
        """Read a configuration and join the engine of its model folder.

        Parameters
        ----------
        config_file : str
            Path of a YAML file; see :func:`bmi_dmg.config.bmi_config.read_config`.

        Raises
        ------
        DmgError
            If the configuration, the model folder or an initial state is wrong. The object is unchanged then.
        """
        config = read_config(config_file)
        settings, checkpoints = config.checkpoint, None
        own_id = None if self._stepper is None else self._stepper.catchment_id
        if settings is not None:
            checkpoints = shared_checkpoints(config, settings, instead_of=own_id)
            checkpoints.require_free(config.catchment_id, instead_of=own_id)
        stepper = start(config)
        self.finalize()
        if checkpoints is not None:
            checkpoints.join(config.catchment_id)
        self._checkpoints, self._stepper = checkpoints, stepper
        weather = stepper.weather
        _, self._start, self._numbers = weather.row
        layout = weather.layout
        self._inputs, self._places = layout.input_places, layout.places
        listed = quantile_outputs(stepper) or layout
        self._units, self._outputs = listed.units, listed.output_names
        self._views = {}
        self._hidden.watch(stepper)

    def update(self) -> None:
        """Advance by one hour with the inputs as they are set.

        Raises
        ------
        ForcingError
            If an input is not set, not finite or physically impossible; nothing is changed then.
        StateError
            If a restart file is due and cannot be written.
        """
        stepper = self._stepper
        if stepper is None:
            self._refuse("update")
        stepper.update()
        if self._checkpoints is not None:
            self.save_if_due()

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
        """Let go of the engine, and say how often forcing was missing."""
        stepper, checkpoints = self._stepper, self._checkpoints
        self._stepper = self._checkpoints = None
        self._hidden.watch(None)
        if stepper is None:
            return
        if checkpoints is not None:
            checkpoints.leave(stepper.catchment_id)
        for name, hours in zip(stepper.weather.names, stepper.weather.missing_hours, strict=True):
            if hours:
                _log.warning("catchment %s: %s was missing in %d hours", stepper.catchment_id, name, hours)

    @property
    def stepper(self) -> Stepper:
        """What steps the catchment.

        Raises
        ------
        StateError
            If the model is not initialized.
        """
        return self._running("the stepper")

    @property
    def budget_terms(self) -> dict[str, float]:
        """Terms of the catchment's budget with the signs they count with; see :func:`bmi_dmg.bmi.mass_balance.budget_terms`.

        Raises
        ------
        StateError
            If the model is not initialized.
        """
        return budget_terms(self._running("the budget"))

    def save_if_due(self) -> None:
        """Hand the state over to the restart file, if one is due at this hour.

        Raises
        ------
        StateError
            If it cannot be written.
        """
        stepper, checkpoints = self._running("saving a state"), self._checkpoints
        if checkpoints is not None and stepper.hours % checkpoints.every == 0:
            checkpoints.arrive(stepper.catchment.engine.identity, stepper.catchment_id, stepper.time, stepper.capture())

    @property
    def hours_between_saves(self) -> int | None:
        """Hours between restart files; None if none are written."""
        return None if self._checkpoints is None else self._checkpoints.every

    # --- state ---------------------------------------------------------------------------------------------------------------------------

    def _capture(self) -> bytes:
        stepper = self._running("saving a state")
        return states_of(stepper.catchment.engine.identity, {stepper.catchment_id: (stepper.time, stepper.capture())}).to_bytes()

    def _restore(self, data: bytes, new_window: bool) -> None:
        stepper = self._running("restoring a state")
        states = States.from_bytes(data, where := "serialization_state")
        stepper.catchment.engine.identity.require(states.identity, where)
        time, state = state_of(states, stepper.catchment_id, where)
        stepper.restore(state, where)
        stepper.set_clock(time, 0 if new_window else int(state["hours"][0]))

    # --- values --------------------------------------------------------------------------------------------------------------------------

    def get_value_ptr(self, name: str) -> npt.NDArray[np.float64]:
        """Return a live view of a variable, shape (1,), always the same; of a hidden one, its present value."""
        place = self._places.get(name)
        if place is None:
            return self._special(name).read()
        view = self._views.get(name)
        if view is None:
            view = self._views[name] = np.frombuffer(self._numbers, np.float64, 1, self._numbers.itemsize * (self._start + place))
        return view

    def get_value(self, name: str, dest: Array) -> Array:
        """Copy a variable into ``dest``, shape (1,), and return it."""
        place = self._places.get(name)
        if place is None:
            dest[:] = self._special(name).read()
        else:
            dest[0] = self._numbers[self._start + place]
        return dest

    def get_value_at_indices(self, name: str, dest: Array, inds: Array) -> Array:
        """Copy items of a variable into ``dest`` and return it."""
        try:  # picking items by an array of indices takes a microsecond, and so does comparing its first with a number
            if inds.item() == 0:
                dest[0] = self._numbers[self._start + self._places[name]]
                return dest
        except (AttributeError, KeyError, ValueError):  # no array, a hidden variable, or several
            pass
        dest[:] = self.get_value_ptr(name)[inds]
        return dest

    def set_value(self, name: str, src: Array) -> None:
        """Copy a value into an input variable, or set a hidden one.

        A name this model does not know is ignored, as ngen's conventions ask; the first time is logged. One that begins as parameters,
        multipliers and states do is meant for this model, and refused.

        Raises
        ------
        ValueError
            If ``src`` has not exactly one item, or the variable is an output.
        ConfigError
            If there is no parameter, multiplier or state of that name.
        """
        try:
            self._numbers[self._start + self._inputs[name]] = src.item()
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError):  # no array, no input, or no number
            self._set_otherwise(name, src)

    def set_value_at_indices(self, name: str, inds: Array, src: Array) -> None:
        """Copy values into items of an input variable; see :meth:`set_value`."""
        if not np.array_equal(np.atleast_1d(inds), [0]):
            raise ValueError(f"{name}: indices are {inds!r}, expected [0]: every variable has one item")
        self.set_value(name, src)

    # --- what there is -------------------------------------------------------------------------------------------------------------------

    def get_component_name(self) -> str:
        """Return the name of the model."""
        return f"δ{'HBV' if self._stepper is None else self._stepper.catchment.engine.model.physics.process.family} (bmi_dmg)"

    def get_input_item_count(self) -> int:
        """Return the number of input variables."""
        self._running("input variables")
        return len(self._inputs)

    def get_output_item_count(self) -> int:
        """Return the number of output variables."""
        return len(self._outputs)

    def get_input_var_names(self) -> tuple[str, ...]:  # type: ignore[override]  # bmipy types a tuple of exactly one name
        """Return the names of the input variables: those the configured method of potential evapotranspiration needs."""
        self._running("input variables")
        return tuple(self._inputs)

    def get_output_var_names(self) -> tuple[str, ...]:  # type: ignore[override]  # as above
        """Return the names of the output variables."""
        return self._outputs

    def get_var_units(self, name: str) -> str:
        """Return the units of a variable."""
        units = self._units.get(name)
        return self._special(name).units if units is None else units

    def get_var_type(self, name: str) -> str:
        """Return the type of a variable."""
        return "float64" if name in self._units else self._special(name).type

    def get_var_itemsize(self, name: str) -> int:
        """Return the bytes of one item of a variable."""
        return 8 if name in self._units else self._special(name).itemsize

    def get_var_nbytes(self, name: str) -> int:
        """Return the bytes of a variable."""
        return 8 if name in self._units else self._special(name).nbytes()

    def get_var_location(self, name: str) -> str:
        """Return where on the grid a variable is defined."""
        return "node" if name in self._units else self._unknown(name)

    def get_var_grid(self, name: str) -> int:
        """Return the grid of a variable."""
        return GRID if name in self._units else self._unknown(name)

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

    # --- errors --------------------------------------------------------------------------------------------------------------------------

    def _refuse(self, what: str) -> NoReturn:
        raise StateError(f"{what}: the model is not initialized; call initialize(config_file) first")

    def _running(self, what: str) -> Stepper:
        return self._refuse(what) if self._stepper is None else self._stepper

    def _special(self, name: str) -> HiddenVariable:
        variable = self._hidden.find(name)
        return self._unknown(name) if variable is None else variable

    def _unknown(self, name: str) -> NoReturn:
        if self._stepper is None and (name in self._units or name.startswith(STATE)):
            self._refuse(name)
        if name in self._units:
            raise KeyError(f"{name} is no input with the configured pet_method; inputs are {', '.join(self._inputs)}")
        message = None if self._stepper is None else no_such(self._stepper.catchment, name)
        if message is not None:
            raise KeyError(message)
        raise_unknown(name, self._units)

    def _write(self, name: str, variable: HiddenVariable, src: Array) -> None:
        """Set a hidden variable; log a refusal, because ngen goes on without a refused parameter, and quiet builds say nothing."""
        try:
            variable.write(src)
        except Exception as error:
            catchment = "" if self._stepper is None else f"catchment {self._stepper.catchment_id}: "
            _log.error(f"{catchment}set_value({name!r}) is refused: {error}")  # it is raised, too
            raise

    def _set_otherwise(self, name: str, src: Any) -> None:
        """Set an input to what is no array, or to what it refuses; or set a hidden variable."""
        place = self._inputs.get(name)
        if place is None:
            self._set_special(name, src)
            return
        try:
            self._numbers[self._start + place] = np.asarray(src).item()
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"{name}: cannot be set to {src!r}, expected one number") from error

    def _set_special(self, name: str, src: Array) -> None:
        variable = self._hidden.find(name)
        if variable is not None:
            self._write(name, variable, src)
        elif name in self._outputs:
            raise ValueError(f"{name} is an output and cannot be set; inputs are {', '.join(self._inputs)}")
        elif self._stepper is None:
            self._refuse("set_value")
        else:
            self._ignore_or_refuse(name, no_such(self._stepper.catchment, name))

    def _ignore_or_refuse(self, name: str, refusal: str | None) -> None:
        if refusal is not None:
            _log.error("set_value(%r) is refused: %s", name, refusal)  # as in _write
            raise ConfigError(refusal)
        if name not in _ignored:
            _ignored.add(name)
            _log.info("set_value(%r) is ignored: no input of this model; inputs are %s", name, ", ".join(self._inputs))
