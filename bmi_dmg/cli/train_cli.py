"""The commands ``bmi-dmg train`` and ``bmi-dmg tune``."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from bmi_dmg import logs
from bmi_dmg.cli.cli_errors import clean_errors
from bmi_dmg.cli.key_values import read_key_values
from dmg_core.errors import ConfigError

if TYPE_CHECKING:
    from dmg_core.learning.loop.trainer import Counters, Watcher
    from dmg_core.learning.loop.validation import Validation

TRAIN_HELP = """Learn a model from observed flow, as an experiment file says.

The experiment names data, split, model, loss, optimiser and seeds; see the files in configs/train. Relative paths in it are relative to the
file; --data, --attributes and --basins replace them. Any other key is replaced by its path: --set model.hidden_size=128.
Where data names units, gauges, forcing and flow, a model of the units is learned from flow at the gauges (docs: Learning at gauges).
A configuration of δMG is taken for one, as far as it can be: its model, training period, loss, optimiser, epochs, batches and seed. Which
of its keys were left out is told. Data, and days to validate on, stand beside it (--data,
--set "split.validation=[2008-10-01, 2014-09-30]").
Modules named under plugins are looked for among Python's, then in the folder of the file.

\b
  OUT/
    model/            the best weights so far, a model folder that runs, configs and 'bmi-dmg prepare' take as it is
    log.csv           loss, learning rate and validation scores by iteration
    last.pt           all that is needed to go on
    experiment.yaml   the experiment with all defaults
    split.json        which days of which basins were learned from, validated on and kept for tests
    versions.json     versions of Python and of the packages that results depend on

With --from MODEL the training starts from a trained model: fine-tuning, on one gauge or a few. What the model is made of comes from its
folder, so that the file needs no sections 'model' and 'attributes'; unless it says otherwise, steps are small (Adam, 0.0001) and five
validations without a better score end it. --parts static or routing lets only the weights behind these parameters learn. The start is
validated first, and OUT/model holds it until an epoch is better on validation: the result is never worse there.

An interrupted training goes on with --resume and ends with the same numbers, bit by bit, as if it had not been interrupted. The same
experiment with the same number of threads gives the same numbers. With --wandb, losses and scores go to Weights & Biases (pip install
wandb) as its own settings say: WANDB_PROJECT, and WANDB_MODE=offline, which keeps them in OUT/wandb for 'wandb sync'.
With --processes, or under torchrun, several share the basins of each batch.

\b
Examples:
  bmi-dmg train experiment.yaml --out ./training
  bmi-dmg train experiment.yaml --out ./training --resume
  bmi-dmg train experiment.yaml --out ./short --epochs 5 --set model.dropout=0.2 --set "attributes=[aridity, slope_mean]"
  bmi-dmg train gauge.yaml --from ./training/model --parts static --out ./tuned
  bmi-dmg train configs/train/gauges.yaml --set data.forcing=forcing.zarr --set data.units=units.csv --out ./training
  bmi-dmg train configs/train/dhbv-2.0-conus.yaml --data camels.nc --attributes attributes.csv --basins basins.txt --out ./training
"""

TUNE_HELP = """Search for the settings of an experiment that validate best.

The experiment has a section more, with ranges or choices by key:

\b
  search:
    optimizer.learning_rate: {low: 0.0001, high: 0.01, log: true}
    model.hidden_size: {choices: [32, 64, 128]}
    model.dropout: {low: 0.0, high: 0.6}

Trials that do worse in a validation than the median of those before are ended. Each has its training in OUT/trial-000 and so on; the table
of all is OUT/trials.csv, and the path of the best experiment, OUT/best.yaml, is printed. A search that is there already goes on.

With --storage, several processes and machines search together: start the same command in each. The storage is a file that all can write,
on a shared disk for example, or the URL of a database that SQLAlchemy has a driver for. OUT may be one folder for all, or one for each.

\b
Examples:
  bmi-dmg tune experiment.yaml --trials 30 --out ./search
  bmi-dmg tune experiment.yaml --trials 30 --out ./search --storage ./search.journal &
  bmi-dmg tune experiment.yaml --trials 30 --out ./search --storage ./search.journal
"""

Config = Annotated[Path, typer.Argument(help="The experiment.", exists=True, dir_okay=False, show_default=False)]
Data = Annotated[Path | None, typer.Option(help="The file of series.", exists=True, show_default=False)]
Attributes = Annotated[Path | None, typer.Option(help="The table of attributes.", exists=True, show_default=False)]
Basins = Annotated[Path | None, typer.Option(help="A text file with a gauge a line.", exists=True, show_default=False)]
Seed = Annotated[int | None, typer.Option(help="In place of the experiment's.", min=0, show_default=False)]
Threads = Annotated[int | None, typer.Option(help="In place of the experiment's.", min=1, show_default=False)]
Epochs = Annotated[int | None, typer.Option(help="In place of the experiment's.", min=1, show_default=False)]
LearningRate = Annotated[float | None, typer.Option(help="In place of that of the experiment's optimiser.", min=0.0, show_default=False)]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Any other key of the experiment, such as model.dropout=0.2.", show_default=False),
]


class LearningPart(str, Enum):
    """What of a trained model goes on learning."""

    NETWORKS = "networks"
    STATIC = "static"
    ROUTING = "routing"


#: Option -> key of the experiment, where they differ.
KEYS: Final = {
    "start": "start.model",
    "parts": "start.parts",
    "data": "data.file",
    "attributes": "data.attributes",
    "basins": "data.basins",
    "learning_rate": "optimizer.learning_rate",
}


def changes_of(settings: list[str] | None, **given: Any) -> dict[str, Any]:
    """Give the changes to an experiment, by key path, that options ask for.

    Raises
    ------
    ConfigError
        If ``--set`` is not understood, or sets what another option sets.
    """
    named = {KEYS.get(name, name): value for name, value in given.items() if value is not None}
    others = read_key_values(settings or [], "--set")
    twice = sorted(named.keys() & others.keys())
    if twice:
        raise ConfigError(f"{', '.join(twice)}: set by --set and by an option of its own; keep one")
    return {**named, **others}


def train_command(
    config: Config,
    out: Annotated[Path, typer.Option(help="The folder for results.", file_okay=False, show_default=False)],
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the training in the folder.")] = False,
    data: Data = None,
    attributes: Attributes = None,
    basins: Basins = None,
    start: Annotated[
        Path | None,
        typer.Option("--from", help="Fine-tune this model: a model folder, or that of a training.", exists=True, show_default=False),
    ] = None,
    parts: Annotated[
        LearningPart | None, typer.Option(help="What of it learns. [default: networks, which is all]", show_default=False)
    ] = None,
    seed: Seed = None,
    threads: Threads = None,
    epochs: Epochs = None,
    learning_rate: LearningRate = None,
    settings: Settings = None,
    processes: Annotated[int, typer.Option(min=1, help="Share each batch out among so many processes.")] = 1,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write OUT/tensorboard too.")] = False,
    wandb: Annotated[bool, typer.Option("--wandb", help="Log to Weights & Biases too.")] = False,
    progress: Annotated[bool, typer.Option(help="Show progress on stderr.")] = True,
) -> None:
    """Train and print the path of the model folder."""
    with clean_errors(leaves=f"{out} keeps the training up to its last checkpoint; --resume goes on from there."), ExitStack() as stack:
        if processes > 1 and "RANK" not in os.environ:
            from dmg_core.learning.loop.ranks import launch

            raise typer.Exit(launch([sys.executable, "-m", "bmi_dmg.cli", *sys.argv[1:]], processes))
        import bmi_dmg.learning  # noqa: F401  # adds readers
        from dmg_core.learning.loop.train import train
        from dmg_core.learning.settings.experiment_file import document_of, read_experiment

        changes = changes_of(
            settings,
            data=data,
            attributes=attributes,
            basins=basins,
            start=start,
            parts=None if parts is None else parts.value,
            seed=seed,
            threads=threads,
            epochs=epochs,
            learning_rate=learning_rate,
        )
        experiment = read_experiment(config, changes)
        watchers: list[Watcher] = []
        shown = None
        if progress and not logs.are_json():
            shown = stack.enter_context(TrainingProgress(experiment.epochs))
            watchers.append(shown)
        if tensorboard:
            from dmg_core.learning.loop.tensorboard import TensorBoardWatcher

            watchers.append(stack.enter_context(TensorBoardWatcher(out / "tensorboard")))
        if wandb and os.environ.get("RANK", "0") == "0":  # of processes that share a training the first one logs
            from dmg_core.learning.loop.wandb import WandbWatcher

            watchers.append(stack.enter_context(WandbWatcher(out, document_of(experiment))))
        model = train(experiment, out, resume=resume, watchers=watchers, surveyed=shown.survey if shown else None)
    typer.echo(model)


def tune_command(
    config: Config,
    trials: Annotated[int, typer.Option(min=1, help="How many there shall be in the folder.")],
    out: Annotated[Path, typer.Option(help="The folder for results.", file_okay=False, show_default=False)],
    data: Data = None,
    attributes: Attributes = None,
    basins: Basins = None,
    seed: Seed = None,
    threads: Threads = None,
    epochs: Epochs = None,
    learning_rate: LearningRate = None,
    settings: Settings = None,
    storage: Annotated[
        str | None, typer.Option(help="A file or the URL of a database that others search in too.", show_default=False)
    ] = None,
) -> None:
    """Search and print the path of the best experiment."""
    with clean_errors(leaves=f"{out} keeps the trials that have ended; the same command goes on with the search."):
        import bmi_dmg.learning  # noqa: F401  # adds readers
        from dmg_core.learning.tune import read_search, tune

        changes = changes_of(
            settings,
            data=data,
            attributes=attributes,
            basins=basins,
            seed=seed,
            threads=threads,
            epochs=epochs,
            learning_rate=learning_rate,
        )
        best = tune(read_search(config, changes), out, trials, storage=storage)
    typer.echo(best)


class TrainingProgress:
    """Shows on stderr how a training goes: a bar over all epochs, and a line for each validation.

    Parameters
    ----------
    epochs : int
        The most there will be.
    """

    def __init__(self, epochs: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        self._epochs = epochs
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[pace]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._task: Any = None
        self._survey: Any = None
        self._console = self._progress.console

    def __enter__(self) -> TrainingProgress:
        """Show the bar."""
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take the bar away."""
        self._progress.stop()

    def survey(self, done: int, units: int) -> None:
        """Show how many units' weather has been looked through, before the training begins."""
        if self._survey is None:
            self._survey = self._progress.add_task("weather of units", total=units, pace="")
        self._progress.update(self._survey, completed=done, visible=done < units)

    def iteration(self, counters: Counters, iterations: int, row: dict[str, Any]) -> None:
        """Move the bar on; the loss is the mean of the epoch so far."""
        rate, loss = row["iteration"] / max(counters.seconds, 1e-9), counters.loss / counters.iteration
        fields: Any = {"description": f"epoch {counters.epoch + 1}/{self._epochs}", "pace": f"{rate:.2f}/s  loss {loss:.4f}"}
        if self._task is None:
            self._task = self._progress.add_task(total=iterations * self._epochs, completed=row["iteration"] - 1, **fields)
        self._progress.update(self._task, completed=row["iteration"], **fields)

    def validation(self, counters: Counters, iterations: int, validation: Validation) -> None:  # noqa: ARG002 - as all watchers
        """Print the scores."""
        mark = "  best" if counters.best_epoch == counters.epoch else ""
        self._console.print(
            f"epoch {counters.epoch}: validation: median NSE {validation.median_nse:.4f}, "
            f"10th percentile {validation.low_nse:.3f}, median KGE {validation.median_kge:.4f}{mark}",
            highlight=False,
            soft_wrap=True,
        )
