"""What restart files cost: how long they take to write and load, how large they are, and what they add to a run.

    python benchmarks/checkpointing.py [--catchments 10000] [--stepped 1000] [--days 12]

The models have random weights. Their LSTM, components and unit hydrograph are of the published sizes, which decide the size of a state; the
network behind static parameters, which does not, is small, except where the model's fingerprint is timed. Times are the least of some
repeats, because other load on the machine only adds to them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from bmi_dmg import BmiDeltaModel
from bmi_dmg.bmi.restart import Checkpoints, find_state, state_of
from bmi_dmg.demo.example_model import SETTINGS, write_example_model
from bmi_dmg.demo.synthetic_catchments import ATTRIBUTES
from bmi_dmg.run_folder.writing import BMI_CONFIGS, Period, write_bmi_config
from bmi_dmg.stepping.daily import DailyStepper
from bmi_dmg.stepping.stepper import Stepper
from bmi_dmg.stepping.weather import Weather
from bmi_dmg.variables import PENMAN_MONTEITH_INPUTS, RUNOFF_DEPTH
from dmg_core import Engine

START = datetime(2000, 1, 1)
PERIOD = Period(START, START + timedelta(days=365))
REPEATS = 3
LSTM_WIDTH, MLP_WIDTH, SMALL_MLP_WIDTH = 64, 4096, 32
HOURS_PER_DAY = 24

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Figure:
    """One result.

    Attributes
    ----------
    what : str
        What was measured.
    value : float
        The result.
    unit : str
        Its unit.
    target : float or None
        What it is not to exceed.
    """

    what: str
    value: float
    unit: str
    target: float | None = None

    def __str__(self) -> str:
        """Give a line of the table."""
        target = "" if self.target is None else f"target {self.target:g}" + (", MISSED" if self.value > self.target else "")
        return f"{self.what:<72}{self.value:>9.3g} {self.unit:<16}{target}"


def main(arguments: Sequence[str]) -> None:
    """Measure everything and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--catchments", type=int, default=10_000, help="of the restart file")
    parser.add_argument("--stepped", type=int, default=1000, help="catchments of the run")
    parser.add_argument("--days", type=int, default=12, help="days of the run, with and without restart files in turn")
    options = parser.parse_args(arguments)
    with TemporaryDirectory() as name:
        folder = Path(name)
        for width in (SMALL_MLP_WIDTH, MLP_WIDTH):
            write_example_model(folder / f"model{width}", 1, replace(SETTINGS, hidden_size=LSTM_WIDTH, mlp_hidden_size=width))
        figures = [
            *restart_file(folder, options.catchments),
            *fingerprint(folder),
            *run_with_restart_files(folder, options.stepped, options.days),
        ]
    sys.stdout.write("\n".join(map(str, figures)) + "\n")


def attributes_of(catchments: int) -> dict[str, FloatArray]:
    """Attributes of random catchments."""
    random = np.random.default_rng(2)
    table = {name: random.normal(mean, 0.3 * std, catchments) for name, (mean, std) in ATTRIBUTES.items()}
    return table | {"uparea": random.uniform(1.0, 2000.0, catchments), "meanelevation": random.uniform(50.0, 2500.0, catchments)}


def restart_file(folder: Path, catchments: int) -> list[Figure]:
    """Write the restart file of many catchments and start as many from it."""
    steppers, others = make_steppers(folder, catchments), make_steppers(folder, catchments)
    captures, writes, loads, restores = [], [], [], []
    for repeat in range(REPEATS):
        checkpoints = Checkpoints(folder / "states", every=1, keep=1)
        time = START + timedelta(days=repeat)
        for stepper in steppers:
            checkpoints.join(stepper.catchment.id)
        identity = steppers[0].catchment.engine.identity
        begin = perf_counter()
        states = [stepper.capture() for stepper in steppers]
        captures.append(perf_counter() - begin)
        for stepper, state in zip(steppers[1:], states[1:], strict=True):
            checkpoints.arrive(identity, stepper.catchment.id, time, state)
        writes.append(seconds(checkpoints.arrive, identity, steppers[0].catchment.id, time, states[0]))
        loads.append(seconds(find_state, folder / "states", "cat-0"))
        restores.append(seconds(restore_all, others, folder / "states"))
    (file,) = (folder / "states").iterdir()
    return [
        Figure(f"state of {catchments} catchments: captured", min(captures), "s"),
        Figure(f"state of {catchments} catchments: put together, written and on disk", min(writes), "s", 1.0),
        Figure(f"state of {catchments} catchments: read and checked", min(loads), "s", 1.0),
        Figure(f"state of {catchments} catchments: found again and restored, one by one", min(restores), "s"),
        Figure("size of a state", file.stat().st_size / catchments, "B per catchment", 8000.0),
    ]


def make_steppers(folder: Path, catchments: int) -> list[Stepper]:
    """Make catchments that have run for some days."""
    engine = Engine.from_folder(folder / f"model{SMALL_MLP_WIDTH}")
    handles = engine.add(attributes_of(catchments), (f"cat-{i}" for i in range(catchments)))
    engine.run(np.random.default_rng(3).uniform(0.0, 9.0, (20, catchments, 3)), outputs=())
    return [DailyStepper(handle, Weather(handle.id, PENMAN_MONTEITH_INPUTS), START, latitude=None) for handle in handles]


def restore_all(steppers: Sequence[Stepper], source: Path) -> None:
    """Start catchments from a file that has been read already."""
    for stepper in steppers:
        found = find_state(source, stepper.catchment.id)
        if found is None:
            raise LookupError(f"{source} has no state of {stepper.catchment.id}")
        file, states = found
        stepper.catchment.engine.identity.require(states.identity, str(file))
        _, state = state_of(states, stepper.catchment.id, str(file))
        stepper.restore(state, str(file))


def fingerprint(folder: Path) -> list[Figure]:
    """Identify the published model, as the first restart file of a process does, its largest weights having been let go."""
    engine = Engine.from_folder(folder / f"model{MLP_WIDTH}")
    (catchment,) = engine.add(attributes_of(1))
    catchment.step(5.0, 10.0, 2.0)
    return [Figure("fingerprint of the published model, once per process", seconds(lambda: engine.identity), "s")]


def run_with_restart_files(folder: Path, catchments: int, days: int) -> list[Figure]:
    """Step catchments through BMI, those without restart files and those with one a day in turn, day by day."""
    plain, saved = (make_models(folder, catchments, checkpoint) for checkpoint in (None, {"path": str(folder / "run"), "every": 24}))
    weather = np.random.default_rng(4).uniform(0.8, 1.05, (HOURS_PER_DAY, len(PENMAN_MONTEITH_INPUTS)))
    weather *= [0.4, 9.0, 0.006, 300.0, 250.0, 95000.0, 2.0, 1.0]
    figures = []
    for step, calls in ((step_as_ngen, "ngen's calls"), (step_barely, "the fewest calls possible")):
        for models in (plain, saved):  # computes static parameters, compiles, and identifies the model
            step_day(models, weather, step)
        times = np.array([[seconds(step_day, models, weather, step) for models in (plain, saved)] for _ in range(days)])
        without, added = np.median(times[:, 0]), np.median(times[:, 1] - times[:, 0])
        figures += [
            Figure(f"a day of {catchments} catchments by {calls}", without, "s"),
            Figure("  added to that by a restart file a day", 100.0 * added / without, "%", 5.0),
        ]
    return figures


def make_models(folder: Path, catchments: int, checkpoint: dict[str, object] | None) -> list[BmiDeltaModel]:
    """Initialize BMI objects as ngen does."""
    place = folder / ("saved" if checkpoint else "plain")
    table, model_dir = attributes_of(catchments), folder / f"model{SMALL_MLP_WIDTH}"
    models = []
    for i in range(catchments):
        attributes = {name: float(values[i]) for name, values in table.items()}
        write_bmi_config(place, f"cat-{i}", PERIOD, attributes, model_dir=str(model_dir), latitude=40.0, time_step="1 day")
        config = place / BMI_CONFIGS / f"cat-{i}.yml"
        if checkpoint:
            with config.open("a", encoding="utf-8") as stream:
                stream.write("checkpoint: {" + ", ".join(f"{key}: {value}" for key, value in checkpoint.items()) + "}\n")
        models.append(BmiDeltaModel())
        models[-1].initialize(str(config))
    return models


def step_day(models: Sequence[BmiDeltaModel], weather: FloatArray, step: Callable[[BmiDeltaModel, FloatArray], None]) -> None:
    """Step all catchments through one hour after the other."""
    for values in weather:
        for model in models:
            step(model, values)


def step_barely(model: BmiDeltaModel, values: FloatArray) -> None:
    """Set all inputs, update, and read the main output."""
    for i, name in enumerate(model.get_input_var_names()):
        model.set_value(name, values[i : i + 1])
    model.update()
    model.get_value_at_indices(RUNOFF_DEPTH, np.zeros(1), np.zeros(1, np.int32))


def step_as_ngen(model: BmiDeltaModel, values: FloatArray) -> None:
    """Make all calls that ngen makes in a step of one catchment with one output."""
    model.get_current_time()
    model.get_current_time()
    model.get_input_item_count()
    for i, name in enumerate(model.get_input_var_names()):
        model.get_var_units(name)
        for _ in range(2):
            model.get_var_itemsize(name)
            model.get_var_type(name)
            model.get_var_nbytes(name)
        model.get_var_itemsize(name)
        model.set_value(name, values[i : i + 1].copy())
    model.get_time_step()
    model.update()
    for _ in range(2):  # the main output is read as such and as a column
        model.get_output_item_count()
        model.get_output_var_names()
        for _ in range(2):
            model.get_var_type(RUNOFF_DEPTH)
            model.get_var_itemsize(RUNOFF_DEPTH)
        model.get_input_item_count()
        model.get_input_var_names()
        model.get_var_type(RUNOFF_DEPTH)
        model.get_value_at_indices(RUNOFF_DEPTH, np.zeros(1), np.zeros(1, np.int32))
        model.get_var_units(RUNOFF_DEPTH)


def seconds(work: Callable[..., object], *arguments: object) -> float:
    """Time a piece of work."""
    begin = perf_counter()
    work(*arguments)
    return perf_counter() - begin


if __name__ == "__main__":
    main(sys.argv[1:])
