"""From a configuration to a catchment that is ready to be stepped."""

from __future__ import annotations

import logging
from typing import Final

from bmi_dmg.bmi.realization_start import tell_other_start
from bmi_dmg.bmi.restart import find_state, state_of
from bmi_dmg.config.bmi_config import TIME_STEPS, BmiConfig
from bmi_dmg.stepping.daily import DailyStepper
from bmi_dmg.stepping.hourly import HourlyStepper
from bmi_dmg.stepping.layout import layout_of
from bmi_dmg.stepping.stepper import Stepper
from bmi_dmg.stepping.weather import Weather
from bmi_dmg.variables import computes_pet
from dmg_core import Catchment, Engine
from dmg_core.errors import ConfigError, StateError
from dmg_core.models import ProcessModel
from dmg_core.sharing import shared_engine

_log = logging.getLogger(__name__)

_TIME_STEP_OF: Final = {steps_per_day: text for text, steps_per_day in TIME_STEPS.items()}


def start(config: BmiConfig) -> Stepper:
    """Join the engine of a model folder, and take over an initial state or spin up, if that is wanted.

    Raises
    ------
    DmgError
        If the configuration, the model folder or the state is wrong. Nothing is left behind then.
    """
    tell_other_start(config)
    engine = _engine_of(config)
    check_time_step(config, engine.model.physics.process)
    attributes = config.attributes(engine.attribute_names)
    (catchment,) = engine.add({name: [value] for name, value in attributes.items()}, [config.catchment_id], repeated=True)
    try:
        stepper = make_stepper(config, catchment)
        if config.assimilation is not None:
            from bmi_dmg.correcting.cycles import make_cycle  # only where it is wanted, too

            stepper.assimilate(make_cycle(config, config.assimilation, stepper))
        if config.initial_state is not None:
            warm_start(config, stepper)
        if config.spinup is not None:
            from bmi_dmg.spin_up.spin_up import spin_up  # only where it is wanted: it reads forcing files

            spin_up(config, config.spinup, stepper)
    except BaseException:
        with engine.lock:
            if catchment.row == len(engine) - 1:  # otherwise another thread has added one since, and the row stays unused
                engine.withdraw(catchment)
        raise
    return stepper


def _engine_of(config: BmiConfig) -> Engine:
    """Give the engine of a model folder.

    Raises
    ------
    ConfigError
        If it cannot be, as with a device that this machine does not have; the configuration is named.
    """
    try:
        return shared_engine(config.model_dir, config.dtype, config.device, config.backend, config.coupling, config.path.parent)
    except ConfigError as error:
        raise ConfigError(f"{config.path}: {error}") from error


def make_stepper(config: BmiConfig, catchment: Catchment) -> Stepper:
    """Give what steps a catchment as its configuration says, from nothing."""
    process = catchment.engine.model.physics.process
    layout = layout_of(process, config.pet_method)
    weather = Weather(config.catchment_id, layout, config.missing_forcing)
    stepper: Stepper
    if config.steps_per_day > 1:
        stepper = HourlyStepper(catchment, weather, config.start_time)
    else:
        latitude = config.latitude if config.pet_method == "hargreaves" and computes_pet(process) else None
        stepper = DailyStepper(catchment, weather, config.start_time, latitude)
    stepper.accept_changes = config.accept_changes
    return stepper


def warm_start(config: BmiConfig, stepper: Stepper) -> None:
    """Take over the state that the configuration names.

    Raises
    ------
    StateError
        If there is none of this catchment, unless it may start from nothing, or if the state does not fit.
    """
    source, catchment = config.initial_state, config.catchment_id
    if source is None:
        return
    found = find_state(source, catchment)
    if found is None:
        if not config.cold_start_missing:
            raise StateError(f"{source}: there is no state of catchment {catchment}; with cold_start_missing: true it starts from nothing")
        _log.warning("%s: there is no state of catchment %s, which starts from nothing", source, catchment)
        return
    file, states = found
    stepper.catchment.engine.identity.require(states.identity, str(file))
    time, state = state_of(states, catchment, str(file))
    if time.hour != config.start_time.hour:
        raise StateError(
            f"{file}: the state of {catchment} is of {time}, but {config.path} starts at {config.start_time}: the hours differ"
        )
    if time != config.start_time:
        _log.warning("%s: the state of %s is of %s, but the run starts at %s", file, catchment, time, config.start_time)
    stepper.restore(state, str(file))
    stepper.set_clock(config.start_time, 0)


def check_time_step(config: BmiConfig, process: ProcessModel) -> None:
    """Refuse a model that does not step as the configuration says.

    Raises
    ------
    ConfigError
        If the time steps differ, or an hourly model is to use a daily equation.
    """
    if process.steps_per_day not in _TIME_STEP_OF:
        raise ConfigError(
            f"{config.path}: {config.model_dir} holds {process.name}, a model of {process.steps_per_day} steps a day; "
            f"the BMI steps models of {' or '.join(_TIME_STEP_OF.values())}"
        )
    if process.steps_per_day != config.steps_per_day:
        raise ConfigError(
            f"{config.path}: time_step is {_TIME_STEP_OF[config.steps_per_day]!r}, but {config.model_dir} holds {process.name}, "
            f"a model of {_TIME_STEP_OF.get(process.steps_per_day, f'1/{process.steps_per_day} day')!r}; the BMI steps days and hours"
        )
    if config.steps_per_day > 1 and config.pet_method == "hargreaves" and computes_pet(process):
        raise ConfigError(f"{config.path}: pet_method 'hargreaves' is daily; the hourly model {process.name} needs 'penman_monteith'")
