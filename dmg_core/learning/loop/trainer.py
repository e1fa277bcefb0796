"""The loop: batches, gradients, steps, validation, checkpoints."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Protocol

import numpy as np
import torch
from torch import Tensor

from dmg_core.errors import ConfigError
from dmg_core.learning.data.lessons import Compared, Lessons
from dmg_core.learning.data.sampler import Batch, Sampler
from dmg_core.learning.loop.faults import require_finite_gradient, require_finite_loss
from dmg_core.learning.loop.optimization import MovingAverage, borrowed_weights, denormals_as_zero
from dmg_core.learning.loop.ranks import Ranks
from dmg_core.learning.loop.run_folder import Log, RunFolder
from dmg_core.learning.loop.validation import Validation, validate
from dmg_core.learning.settings.experiment import Experiment

LOGGER = logging.getLogger(__name__)

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]

COLUMNS: Final = (
    "iteration",
    "epoch",
    "loss",
    "learning_rate",
    "gradient_norm",
    "seconds",
    "validation_median_nse",
    "validation_low_nse",
    "validation_median_kge",
)


@dataclass
class Counters:
    """How far a training is.

    Attributes
    ----------
    epoch : int
        Complete epochs.
    iteration : int
        Iterations done of the epoch under way.
    loss : float
        Their sum of losses.
    seconds : float
        Spent so far, interruptions left out.
    best_nse : float
        Best median NSE in validation.
    best_epoch : int
        After which it was reached; 0 for never, or by the model that was started from.
    waited : int
        Validations since.
    """

    epoch: int = 0
    iteration: int = 0
    loss: float = 0.0
    seconds: float = 0.0
    best_nse: float = -math.inf
    best_epoch: int = 0
    waited: int = 0


class Watcher(Protocol):
    """Is told how a training goes."""

    def iteration(self, counters: Counters, iterations: int, row: dict[str, Any]) -> None:
        """Hear of an iteration, of which an epoch has ``iterations``; ``row`` is what the log says."""
        ...

    def validation(self, counters: Counters, iterations: int, validation: Validation) -> None:
        """Hear of a validation, after epochs of ``iterations``."""
        ...


@dataclass(frozen=True, eq=False)
class Parts:
    """What a trainer puts together.

    Attributes
    ----------
    model : DeltaModel, GaugeModel or MultiTimescaleModel
        What learns.
    loss : callable
        ``loss(simulated (T, b), observed (T, b), basins (b,))``.
    sampler : Sampler
        Draws batches.
    optimizer : Optimizer
        Steps.
    scheduler : LRScheduler
        Sets the learning rate, after each iteration.
    """

    model: Any
    loss: Loss
    sampler: Sampler
    optimizer: torch.optim.Optimizer
    scheduler: torch.optim.lr_scheduler.LRScheduler


class Trainer:
    """Trains a model.

    Parameters
    ----------
    experiment : Experiment
        How.
    material : Lessons
        On what.
    parts : Parts
        Model, loss, sampler and optimiser.
    folder : RunFolder
        Where results go; a checkpoint there is gone on from.
    ranks : Ranks
        The processes that share the work.
    watchers : sequence of Watcher
        Are told how it goes.
    """

    def __init__(
        self,
        experiment: Experiment,
        material: Lessons,
        parts: Parts,
        folder: RunFolder,
        ranks: Ranks,
        watchers: Sequence[Watcher] = (),
    ) -> None:
        self.counters = Counters()
        self._experiment, self._material, self._folder, self._ranks = experiment, material, folder, ranks
        self._parts, self._model, self._device = parts, parts.model, parts.model.device
        self._watchers = watchers
        self._average = MovingAverage(parts.model.network, experiment.average) if experiment.average else None
        self._iterations = experiment.iterations_per_epoch or parts.sampler.iterations
        self._carried: Any = None
        self._log: Log | None = None
        self._saved = time.monotonic()

    @property
    def done(self) -> bool:
        """Whether all epochs are trained, or more would not help."""
        patience = self._experiment.validation.patience
        out_of_patience = patience is not None and self.counters.waited >= patience
        return self.counters.epoch >= self._experiment.epochs or (out_of_patience and self.counters.iteration == 0)

    def run(self) -> None:
        """Train to the end, from the last checkpoint if there is one.

        Raises
        ------
        DmgError
            If loss or gradients are no numbers; basins and dates are named.
        """
        self._load()
        if self._ranks.leads:
            self._log = Log(self._folder.log, COLUMNS, self._iterations_done)
        try:
            if self._experiment.start is not None and self._iterations_done == 0:
                self._write({"iteration": 0, "epoch": 0, **self._validate()})  # what no epoch may fall short of
            while not self.done:
                self._train_epoch()
        finally:
            if self._log:
                self._log.close()

    @property
    def _iterations_done(self) -> int:
        return self.counters.epoch * self._iterations + self.counters.iteration

    def _train_epoch(self) -> None:
        self._model.train()
        row: dict[str, Any] = {}
        while self.counters.iteration < self._iterations:
            self._write(row)
            if row and self._checkpoint_is_due():
                self._save()
            row = self._iterate()
            for watcher in self._watchers:
                watcher.iteration(self.counters, self._iterations, row)
        self.counters.epoch, self.counters.iteration, self.counters.loss = self.counters.epoch + 1, 0, 0.0
        if self.counters.epoch % self._experiment.validation.every == 0 or self.counters.epoch == self._experiment.epochs:
            row |= self._validate()
        self._write(row)
        self._save()

    def _iterate(self) -> dict[str, Any]:
        """Make one step and say how it went."""
        started = time.monotonic()
        rate = self._parts.scheduler.get_last_lr()[0]
        batch = self._parts.sampler.draw()
        with denormals_as_zero():
            loss, norm = self._step(batch)
        counters = self.counters
        counters.iteration += 1
        counters.loss += loss
        counters.seconds += time.monotonic() - started
        return {
            "iteration": self._iterations_done,
            "epoch": counters.epoch + 1,
            "loss": loss,
            "learning_rate": rate,
            "gradient_norm": norm,
            "seconds": round(counters.seconds, 1),
        }

    def _step(self, batch: Batch) -> tuple[float, float]:
        """Take one step; returns the loss, of all processes, and the norm of the gradient."""
        mine, counts = self._share(batch)
        simulated, observed, carried = self._compare(mine)
        loss = self._parts.loss(simulated, observed, self._places_of(mine))
        require_finite_loss(loss, simulated, self._material, mine, self._parts.sampler.warm_up)
        self._parts.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        parameters = [parameter for parameter in self._model.parameters() if parameter.requires_grad]
        weight = float(torch.isfinite(observed).sum()) if counts else 0.0
        self._ranks.average_gradients(parameters, weight)
        clip = self._experiment.gradient_clip
        norm = float(torch.nn.utils.clip_grad_norm_(parameters, math.inf if clip is None else clip))
        if not math.isfinite(norm):
            require_finite_gradient(self._loss_of, self._model, self._material, mine, self._parts.sampler.warm_up)
        self._parts.optimizer.step()
        self._parts.scheduler.step()
        self._carried = None if carried is None else carried.detached()
        if self._average:
            self._average.update(self._model.network)
        total = self._ranks.total(torch.tensor([loss.item() * weight, weight], dtype=torch.float64))
        return float(total[0] / total[1]), norm

    def _share(self, batch: Batch) -> tuple[Batch, bool]:
        """Give the part of this process, and whether it counts: one for which none is left runs the first window, which does not."""
        rows = self._ranks.share(np.arange(len(batch.basins)))
        mine = rows if len(rows) else np.zeros(1, np.int64)
        return Batch(batch.basins[mine], batch.starts[mine], batch.follows), len(rows) > 0

    def _compare(self, batch: Batch) -> Compared:
        """Run the windows of a batch, and bring what was observed to where they were run."""
        compared = self._material.compare(self._model, batch, self._parts.sampler, self._carried)
        return compared._replace(observed=compared.observed.to(self._device))

    def _places_of(self, batch: Batch) -> Tensor:
        return torch.from_numpy(batch.basins).to(self._device)

    def _loss_of(self, batch: Batch) -> Tensor:
        simulated, observed, _ = self._compare(batch)
        return self._parts.loss(simulated, observed, self._places_of(batch))

    def _validate(self) -> dict[str, float]:
        started, counters = time.monotonic(), self.counters
        with borrowed_weights(self._model.network, self._average.weights if self._average else None):
            found = validate(self._model, self._material, self._experiment.validation.warm_up, self._ranks)
            if found.median_nse > counters.best_nse:
                counters.best_nse, counters.best_epoch, counters.waited = found.median_nse, counters.epoch, 0
                if self._ranks.leads:
                    self._folder.save_model(self._model, self._material.statistics, counters.epoch)
            else:
                counters.waited += 1
        counters.seconds += time.monotonic() - started
        for watcher in self._watchers:
            watcher.validation(counters, self._iterations, found)
        return {f"validation_{name}": value for name, value in asdict(found).items()}

    def _write(self, row: dict[str, Any]) -> None:
        if self._log and row:
            self._log.write(row)

    def _checkpoint_is_due(self) -> bool:
        late = time.monotonic() - self._saved >= 60.0 * self._experiment.checkpoint_minutes
        return bool(self._ranks.first(float(late)))

    def _save(self) -> None:
        random = [state.clone() for state in self._ranks.gather(torch.get_rng_state())]
        on_device = self._ranks.gather(torch.cuda.get_rng_state(self._device)) if self._device.type == "cuda" else []
        if self._ranks.leads:
            parts = self._parts
            self._folder.save_last(
                {
                    "counters": asdict(self.counters),
                    "iterations": self._iterations,
                    "network": self._model.network.state_dict(),
                    "average": self._average.state_dict() if self._average else None,
                    "optimizer": parts.optimizer.state_dict(),
                    "scheduler": parts.scheduler.state_dict(),
                    "sampler": json.dumps(parts.sampler.rng.bit_generator.state),
                    **self._under_way(),
                    "random": random,
                    "device": self._device.type,
                    "random_on_device": on_device,
                }
            )
        self._saved = time.monotonic()

    def _under_way(self) -> dict[str, Any]:
        """Give what batches that follow each other go on from; nothing where none does."""
        if self._carried is None:
            return {}
        sampler: Any = self._parts.sampler
        return {"carried": self._carried.tensors(), "position": json.dumps(sampler.position)}

    def _load(self) -> None:
        state = self._folder.load_last()
        if state is None:
            return
        if len(state["random"]) != self._ranks.count:
            raise ConfigError(
                f"{self._folder.last} was written by {len(state['random'])} processes, so as many must go on, not {self._ranks.count}"
            )
        if state["iterations"] != self._iterations:
            raise ConfigError(
                f"{self._folder.last} has {state['iterations']} iterations in an epoch, these data give {self._iterations}; "
                "they are not those it was trained on"
            )
        self.counters = Counters(**state["counters"])
        self._model.network.load_state_dict(state["network"])
        if self._average:
            self._average.load_state_dict(state["average"])
        self._parts.optimizer.load_state_dict(state["optimizer"])
        self._parts.scheduler.load_state_dict(state["scheduler"])
        self._parts.sampler.rng.bit_generator.state = json.loads(state["sampler"])
        torch.set_rng_state(state["random"][self._ranks.rank])
        self._set_device_random(state)
        if "carried" in state:
            self._carried = self._material.carried_of([part.to(self._device) for part in state["carried"]])
            sampler: Any = self._parts.sampler
            sampler.position = json.loads(state["position"])

    def _set_device_random(self, state: dict[str, Any]) -> None:
        """Let the device go on with its random numbers; another one than before has others, which is told."""
        before = state.get("device", "cpu")  # checkpoints of earlier versions do not say
        if before != self._device.type:
            LOGGER.warning("%s was written on %s; on %s a training ends with other weights", self._folder.last, before, self._device)
        elif self._device.type == "cuda":
            torch.cuda.set_rng_state(state["random_on_device"][self._ranks.rank], self._device)
