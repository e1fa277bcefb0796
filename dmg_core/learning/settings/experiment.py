"""What an experiment is: one YAML file, read into checked settings and written beside what came of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import attrs
import numpy as np

from dmg_core.learning.settings.checks import at_least, one_of, share, whole_days
from dmg_core.learning.settings.data import DataSettings, UnitDataSettings
from dmg_core.multi_scale import ChannelSettings
from dmg_core.plugins import imported_beside
from dmg_core.routing import DelayBound
from dmg_core.validation import WrongValueError

Period = tuple[np.datetime64, np.datetime64]

PRECISIONS: Final = ("float32", "float64")
#: What of a trained model can go on learning.
LEARNING_PARTS: Final = ("networks", "static", "routing")


def _device(_: Any, attribute: attrs.Attribute[Any], value: str) -> None:
    if not re.fullmatch(r"cpu|cuda(:[0-9]+)?", value):
        raise WrongValueError(value, "cpu, cuda, or one GPU by number such as cuda:0", attribute.name)


@attrs.frozen(kw_only=True)
class Component:
    """A part of an experiment that is chosen by name.

    In the file the options stand beside the name: ``{name: adam, learning_rate: 0.001}``.

    Attributes
    ----------
    name : str
        In the registry of its kind.
    options : dict
        Arguments by name.
    """

    name: str
    options: dict[str, Any] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class SplitSettings:
    """Which basins and days are learned from, and which tell how well.

    Attributes
    ----------
    train, validation : (datetime64, datetime64) or None
        First and last day, both included; None takes all days, where the split does not go by time.
    name : str
        In the registry of splits; ``time`` takes all basins in both periods.
    options : dict
        Further arguments of the split.
    """

    train: Period | None = None
    validation: Period | None = None
    name: str = "time"
    options: dict[str, Any] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        """Refuse periods that are missing, or that end before they start."""
        for which, period in (("train", self.train), ("validation", self.validation)):
            if period is None:
                if self.name == "time":
                    raise ValueError(f"key '{which}' is missing: a split in time needs the first and the last day of both periods")
                continue
            start, end = period
            if end < start:
                raise ValueError(f"{which} ends on {end}, before it starts on {start}")


@attrs.frozen(kw_only=True)
class HourlyOptions:
    """The hourly half of a multi-timescale model: what it has otherwise than the daily half.

    Attributes
    ----------
    physics : str
        ``Hbv_2_hourly`` or ``Hbv_2_1_hourly``.
    hidden_size, mlp_hidden_size : int or None
        Widths of its LSTM and of its network for static parameters; None takes those of the daily half.
    routing_attributes : tuple of str
        Inputs of the network for the ways from units to gauges.
    routing_hidden_size : int
        Width of that network.
    routing : bool
        Whether flow goes from units to gauges by unit hydrographs of that network; else it is summed up.
    conserving : bool
        Whether all water arrives; else what a lag shifts beyond 72 hours is lost, as in the published models.
    use_transfer : bool
        Whether the hourly LSTM starts from the daily one's state by linear layers, which begin as zeros; else from zero.
    use_in_proj : bool
        Whether both LSTMs read their inputs through linear layers.
    low_flow : float
        Quantile of each gauge's observed flow below which it is not learned from: rounding and the noise of stages.
    days : int
        Days that the daily half runs through before it hands over.
    warm_up : int
        Hours after these that the hourly half runs through before those of the loss; whole days.
    hours : int
        Hours of the loss after them, and from one window to the next; whole days.
    """

    physics: str = "Hbv_2_hourly"
    hidden_size: int | None = attrs.field(default=None, validator=at_least(1))
    mlp_hidden_size: int | None = attrs.field(default=None, validator=at_least(1))
    routing_attributes: tuple[str, ...] = ()
    routing_hidden_size: int = attrs.field(default=64, validator=at_least(1))
    routing: bool = True
    conserving: bool = True
    use_transfer: bool = True
    use_in_proj: bool = True
    low_flow: float = attrs.field(default=0.0, validator=share)
    days: int = attrs.field(default=351, validator=at_least(1))
    warm_up: int = attrs.field(default=168, validator=whole_days(0))
    hours: int = attrs.field(default=168, validator=whole_days(24))


@attrs.frozen(kw_only=True)
class ModelOptions:
    """What is learned.

    Attributes
    ----------
    physics : str
        In the registry of process models, such as ``Hbv_2``.
    hidden_size : int
        Width of the LSTM, or of feed-forward networks where there is none.
    mlp_hidden_size : int or None
        Width of the feed-forward network, where there is one.
    nmul : int or None
        Components run side by side; None takes as many as is usual for the physics.
    dynamic : tuple of str
        Parameters that vary in time.
    routing : bool
        Whether a unit hydrograph routes the mean outflow.
    nearzero : float
        Least content of the stores that divide, mm.
    dropout : float
        Share of hidden units dropped in training.
    log_norm : tuple of str
        Forcings and attributes that are log-normalised.
    network : str or None
        In the registry of networks; None takes the one the physics is paired with.
    network_options : dict
        Options of the network, of those that have some.
    target : str or None
        Output of the process model that is compared with what was observed; None takes the streamflow, or else the first flux.
    options : dict
        Options of the process model besides ``nearzero``.
    upstream_area, elevation : str
        Attributes that hold the upstream area (km²) and the mean elevation (m) where the model will be run.
    delay_bound : DelayBound or None
        What the mean delay of the unit hydrograph may be at most.
    hourly : HourlyOptions or None
        The hourly half of a multi-timescale model, whose daily half is all of the above; None for a model of one time scale.
    """

    physics: str
    hidden_size: int = attrs.field(validator=at_least(1))
    mlp_hidden_size: int | None = attrs.field(default=None, validator=at_least(1))
    nmul: int | None = attrs.field(default=None, validator=at_least(1))
    dynamic: tuple[str, ...] = ()
    routing: bool = True
    nearzero: float = 1e-5
    dropout: float = attrs.field(default=0.0, validator=share)
    log_norm: tuple[str, ...] = ()
    network: str | None = None
    network_options: dict[str, Any] = attrs.field(factory=dict)
    target: str | None = None
    options: dict[str, Any] = attrs.field(factory=dict)
    upstream_area: str = "uparea"
    elevation: str = "meanelevation"
    delay_bound: DelayBound | None = None
    hourly: HourlyOptions | None = None


@attrs.frozen(kw_only=True)
class ValidationSettings:
    """When a model is validated, and when that ends the training.

    Attributes
    ----------
    every : int
        Epochs.
    warm_up : int
        Days run before the validation period.
    patience : int or None
        Validations in a row without a better median NSE that end the training; None never does.
    """

    every: int = attrs.field(default=1, validator=at_least(1))
    warm_up: int = attrs.field(default=365, validator=at_least(0))
    patience: int | None = attrs.field(default=None, validator=at_least(1))


@attrs.frozen(kw_only=True)
class StartSettings:
    """The trained model that a training starts from, and what of it learns.

    Attributes
    ----------
    model : Path
        A model folder, or the folder of a training.
    parts : str
        ``networks``: all weights; ``static``: those that give parameters that do not vary in time; ``routing``: those that give the
        parameters of the routing.
    """

    model: Path
    parts: str = attrs.field(default="networks", validator=one_of(*LEARNING_PARTS))


@attrs.frozen(kw_only=True)
class Experiment:
    """All that makes a training.

    Attributes
    ----------
    data, split, model, validation
        See their classes.
    attributes : tuple of str
        Inputs of the network besides the weather.
    channels : ChannelSettings or None
        What is learned of the way from units to gauges; None sums up the flow of each day as it leaves the units.
    loss, sampler, optimizer, scheduler : Component
        By name, with options.
    epochs : int
        The most that are trained.
    iterations_per_epoch : int or None
        Batches; None takes as many as go once over all days of all basins in expectation.
    gradient_clip : float or None
        Largest norm of the gradient of all weights.
    average : float or None
        Decay of a moving average of the weights, which is then validated and saved instead of them.
    seed : int
        Of initial weights, dropout and batches.
    threads : int
        Of the computation.
    precision : str
        Of the process equations, ``float32`` or ``float64``.
    device : str
        Where the model learns: ``cpu``, whose equations are compiled; ``cuda`` or ``cuda:N``, where torch runs them.
    checkpoint_minutes : float
        Time between checkpoints within an epoch.
    start : StartSettings or None
        A trained model to go on from, in place of random weights.
    plugins : tuple of str
        Modules imported first, which may register parts of their own.
    plugin_folder : Path or None
        Where those are looked for that Python does not know: the folder of the experiment's file.
    """

    data: DataSettings | UnitDataSettings
    attributes: tuple[str, ...]
    split: SplitSettings
    model: ModelOptions
    channels: ChannelSettings | None = None
    loss: Component = Component(name="nse_batch")
    sampler: Component = Component(name="windows")
    optimizer: Component = Component(name="adadelta")
    scheduler: Component = Component(name="none")
    validation: ValidationSettings = ValidationSettings()
    epochs: int = attrs.field(default=50, validator=at_least(1))
    iterations_per_epoch: int | None = attrs.field(default=None, validator=at_least(1))
    gradient_clip: float | None = attrs.field(default=None, validator=at_least(0.0))
    average: float | None = attrs.field(default=None, validator=share)
    seed: int = attrs.field(default=0, validator=at_least(0))
    threads: int = attrs.field(default=1, validator=at_least(1))
    precision: str = attrs.field(default="float32", validator=one_of(*PRECISIONS))
    device: str = attrs.field(default="cpu", validator=_device)
    checkpoint_minutes: float = attrs.field(default=10.0, validator=at_least(0.0))
    start: StartSettings | None = None
    plugins: tuple[str, ...] = ()
    plugin_folder: Path | None = attrs.field(default=None, eq=False)

    def __attrs_post_init__(self) -> None:
        """Refuse channels where there is nothing to lead."""
        if self.channels is not None and not isinstance(self.data, UnitDataSettings):
            raise ValueError("channels lead flow of units to gauges, and data names no units, gauges, forcing and flow")

    def import_plugins(self) -> None:
        """Import the modules that register parts: from among Python's modules, or from files beside the experiment.

        Raises
        ------
        ConfigError
            If there is no such module, if it fails, or if another module has the name of the file beside the experiment.
        """
        for name in self.plugins:
            imported_beside(name, self.plugin_folder)
