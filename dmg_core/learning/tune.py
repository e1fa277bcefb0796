"""A search for the settings of an experiment that validate best."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from dmg_core.errors import ConfigError, DmgError
from dmg_core.files import written_whole
from dmg_core.learning.loop.faults import TrainingError
from dmg_core.learning.loop.run_folder import LAST_NAME
from dmg_core.learning.loop.train import train
from dmg_core.learning.settings.experiment import Experiment
from dmg_core.learning.settings.experiment_file import changed, experiment_of, read_document, write_experiment
from dmg_core.learning.settings.start import with_start

if TYPE_CHECKING:
    from optuna import Study, Trial

    from dmg_core.learning.loop.trainer import Counters
    from dmg_core.learning.loop.validation import Validation

SEARCH: Final = "search"
BEST_NAME: Final = "best.yaml"
STUDY_NAME: Final = "study.db"
TRIALS_NAME: Final = "trials.csv"


@attrs.frozen(kw_only=True)
class Range:
    """Values that a setting can take: choices, or numbers between two.

    Attributes
    ----------
    low, high : float or None
        Bounds, both included; whole numbers if both are.
    log : bool
        Whether to search on a logarithmic scale.
    choices : tuple
        In place of bounds.
    """

    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[Any, ...] = ()

    def suggest(self, trial: Trial, name: str) -> Any:
        """Let a trial choose."""
        if self.choices:
            return trial.suggest_categorical(name, self.choices)
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(name, self.low, self.high, log=self.log)
        if self.low is None or self.high is None:
            raise ConfigError(f"{SEARCH}: {name} has neither choices nor low and high")
        return trial.suggest_float(name, self.low, self.high, log=self.log)


@attrs.frozen(kw_only=True)
class Search:
    """An experiment some of whose settings are searched for.

    Attributes
    ----------
    where : str
        The file, for errors.
    document : dict
        The experiment as the file has it, without the search.
    ranges : dict of str to Range
        By key path, such as ``optimizer.learning_rate``.
    """

    where: str
    document: dict[str, Any]
    ranges: dict[str, Range]

    def experiment(self, values: Mapping[str, Any]) -> Experiment:
        """Give the experiment with values for the settings searched for."""
        return experiment_of(with_start(changed(deepcopy(self.document), values), self.where), self.where)


def read_search(file: str | Path, changes: Mapping[str, Any] | None = None) -> Search:
    """Read an experiment with a section ``search``: ``{low: 0.001, high: 0.1, log: true}`` or ``{choices: [32, 64]}`` by key path.

    Parameters
    ----------
    file, changes
        See :func:`dmg_core.learning.settings.experiment_file.read_experiment`.

    Raises
    ------
    ConfigError
        If the section is missing or not so, or the experiment is wrong with any of its first values.
    """
    document = read_document(file, changes)
    section = document.pop(SEARCH, None)
    if not isinstance(section, dict) or not section:
        raise ConfigError(f"{file}: {SEARCH} is missing: which settings to search, such as {{model.dropout: {{low: 0.0, high: 0.5}}}}")
    ranges = {str(name): _range_of(value, f"{file}: {SEARCH}.{name}") for name, value in section.items()}
    search = Search(where=str(file), document=document, ranges=ranges)
    search.experiment({name: one.choices[0] if one.choices else one.low for name, one in ranges.items()})
    return search


def tune(search: Search, out: str | Path, trials: int, *, storage: str | None = None) -> Path:
    """Train with settings that promise more and more, and give up those that do not.

    Trials that do worse in a validation than the median of those before, after as many epochs, are ended. A search in a folder that holds
    one goes on with it. With a storage, several processes and machines search together: each trial belongs to one of them, and all learn
    from all; each stops when so many have ended, so that trials on their way then may be more.

    Parameters
    ----------
    search : Search
        What to try.
    out : str or Path
        Folder: a training in ``trial-000`` and so on, ``trials.csv``, and ``best.yaml``, the best experiment.
    trials : int
        How many there shall be, those of earlier searches in the folder included.
    storage : str, optional
        Where the search is kept: a file, a journal that all of them can write, or the URL of a database, such as
        ``postgresql://…``; by default ``study.db`` in the folder, with trials that depend on the experiment's seed alone.

    Returns
    -------
    Path
        ``best.yaml``.

    Raises
    ------
    DmgError
        If an experiment is wrong, or no trial came to a result.
    """
    import optuna

    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    seed = search.experiment({}).seed if storage is None else None  # of several, each is to try something else
    sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=storage is not None)
    with _errors_of(storage or out / STUDY_NAME):
        study = optuna.create_study(
            storage=_storage_of(storage or f"sqlite:///{out / STUDY_NAME}"),
            study_name=SEARCH,
            sampler=sampler,
            direction="maximize",
            load_if_exists=True,
        )
        ended = len([trial for trial in study.trials if trial.state.is_finished()])
        if ended < trials:
            states = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED, optuna.trial.TrialState.FAIL)
            stop = optuna.study.MaxTrialsCallback(trials, states)
            study.optimize(lambda trial: _try(search, out, trial), n_trials=trials - ended, callbacks=[stop], catch=TrainingError)
    table = study.trials_dataframe(("number", "value", "state", "duration", "params")).to_csv(index=False)
    with written_whole(out / TRIALS_NAME) as stream:
        stream.write(table.encode())
    return _write_best(search, study, out)


def _storage_of(place: str) -> Any:
    """Give the storage at a place: a database by its URL, or else a journal, in a file that processes and machines lock in turn."""
    if "://" in place:
        return place
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    return JournalStorage(JournalFileBackend(place))


@contextmanager
def _errors_of(database: str | Path) -> Iterator[None]:
    """Turn what the database of a search raises, which is full, read-only or damaged then, into an error that names its file."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (json.JSONDecodeError, ImportError) as error:
        raise DmgError(f"{database}: the search cannot be kept there: {error}") from error
    except (OSError, SQLAlchemyError, StorageInternalError) as error:
        reason = getattr(error, "orig", None) or getattr(error.__cause__, "orig", None) or error
        raise DmgError(f"{database}: the search cannot be kept there: {reason}") from error


def _try(search: Search, out: Path, trial: Trial) -> float:
    """Train once; returns the best median NSE of the validation."""
    experiment = search.experiment({name: one.suggest(trial, name) for name, one in search.ranges.items()})
    watcher = _Pruner(trial)
    folder = out / f"trial-{trial.number:03d}"
    try:
        train(experiment, folder, watchers=[watcher])
    finally:  # no trial is gone on with
        (folder / LAST_NAME).unlink(missing_ok=True)
    return watcher.best


class _Pruner:
    """Ends trials that promise little."""

    def __init__(self, trial: Trial) -> None:
        self.best = float("-inf")
        self._trial = trial

    def iteration(self, counters: Counters, iterations: int, row: dict[str, Any]) -> None:
        """Let it go on."""

    def validation(self, counters: Counters, iterations: int, validation: Validation) -> None:  # noqa: ARG002 - as all watchers
        """End the trial if those before did better after as many epochs."""
        from optuna import TrialPruned

        self.best = counters.best_nse
        self._trial.report(validation.median_nse, counters.epoch)
        if self._trial.should_prune():
            raise TrialPruned


def _write_best(search: Search, study: Study, out: Path) -> Path:
    try:
        values = study.best_params
    except ValueError as error:
        raise DmgError(f"{out}: no trial has come to a result") from error
    write_experiment(out / BEST_NAME, search.experiment(values))
    return out / BEST_NAME


def _range_of(value: Any, where: str) -> Range:
    known = {attribute.name for attribute in attrs.fields(Range)}
    if not isinstance(value, dict) or not set(value) <= known:
        raise ConfigError(f"{where} is {value!r}, expected {{low: …, high: …}}, with log: true if wanted, or {{choices: […]}}")
    choices = value.get("choices", [])
    low, high = value.get("low"), value.get("high")
    bounded = isinstance(low, int | float) and isinstance(high, int | float) and low < high
    if not isinstance(choices, list) or bool(choices) == bounded:
        raise ConfigError(f"{where} is {value!r}, expected either a low below a high or a list of choices")
    return Range(low=low, high=high, log=bool(value.get("log", False)), choices=tuple(choices))
