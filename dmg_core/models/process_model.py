"""What a process model is: a table of what it reads, holds and gives, and one time step as an ordinary PyTorch function.

Everything else is derived. From :meth:`ProcessModel.step` come its compiled form, its reverse and its Jacobian
(:mod:`dmg_core.equations`); from the table the layout of arrays, the outputs, the balance, the state of a restart, how hours become steps,
the variables of the BMI and the pages of the documentation.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal

from dmg_core.citations import Citation
from dmg_core.deferred import torch
from dmg_core.errors import ConfigError
from dmg_core.registry import Registry

#: How the hours of a step of several hours become one value.
Aggregate = Literal["sum", "mean", "min", "max"]

#: What a quantity is in the balance: it enters, leaves, is exchanged with the surroundings (positive: gained), or is what bounds of stores
#: cut off (positive: lost; negative: created).
Balance = Literal["in", "out", "exchange", "clipping"]

#: What passes for rounding in a store.
ROUNDING: Final = 1e-12

#: A number while tracing or stepping one component, a tensor in a batch: equations do not care.
Quantity = Any


@dataclass(frozen=True)
class Forcing:
    """A series that drives a process model.

    Parameters
    ----------
    name : str
        Its symbol in the equations: ``x.P``. ``P``, ``T`` and ``PET`` are known: precipitation, air temperature and potential
        evapotranspiration, with their names in files and in the BMI.
    unit : str
        Of the value of a step: an amount per step where hours are added up, such as mm.
    aggregate : {"sum", "mean", "min", "max"}
        How the hours of a longer step become one value.
    meaning : str
        What it is, in a few words.
    balance : {"in", "uncounted", None}, optional
        Whether it enters the balance; by default precipitation ``P`` does and nothing else. What leaves is a :class:`Flux`.
    bmi_name : str, optional
        Name of the BMI variable it comes from; by default that of a known forcing, else ``name``. Several forcings may come from one
        variable, such as the lowest and the highest temperature of a day.
    least, largest : float, optional
        Range of possible values; by default from 0 for ``P`` and ``PET``, any finite number for others.
    """

    name: str
    unit: str
    aggregate: Aggregate = "mean"
    meaning: str = ""
    balance: Literal["in", "uncounted", None] = None
    bmi_name: str = ""
    least: float | None = None
    largest: float | None = None

    def __post_init__(self) -> None:
        """Make the name that is not given, and bound depths that are known."""
        object.__setattr__(self, "bmi_name", self.bmi_name or self.name)
        if self.least is None and self.name in {"P", "PET"}:
            object.__setattr__(self, "least", 0.0)

    @property
    def label(self) -> str:
        """Name among outputs and in the balance: ``precipitation`` for ``P``, in lower case for others."""
        return _LABELS.get(self.name, self.name.lower())

    @property
    def enters(self) -> bool:
        """Whether it adds to the balance."""
        return self.balance == "in" or (self.balance is None and self.name == "P")


#: Forcings that are known by other names than their symbols.
_LABELS = {"P": "precipitation", "T": "temperature"}


@dataclass(frozen=True)
class Parameter:
    """A parameter that a network gives as a number in [0, 1].

    Parameters
    ----------
    name : str
        Name in configurations, such as ``parBETA``.
    low, high : float
        Range in ``unit``.
    unit : str
        Unit; rates are per day, whatever the step.
    meaning : str
        What it does, in a few words.
    constant : float, optional
        Value wherever it is not listed as dynamic; the network does not give it then. By default the network gives it always.
    varies : bool
        Whether it varies in time without being listed as dynamic.
    """

    name: str
    low: float
    high: float
    unit: str
    meaning: str = ""
    constant: float | None = None
    varies: bool = False

    @property
    def symbol(self) -> str:
        """Name as it stands in the equations, ``p.BETA``: without the leading ``par``."""
        return self.name.removeprefix("par")

    def scale(self, fraction: Any) -> Any:
        """Turn network outputs in [0, 1], a number, an array or a tensor, into physical values of the same kind."""
        return self.low + fraction * (self.high - self.low)


@dataclass(frozen=True)
class Attribute:
    """A property of a catchment that the equations read (those that only a network reads are not declared).

    Parameters
    ----------
    name : str
        Its symbol: ``x.elevation``.
    unit : str
        Unit.
    meaning : str
        What it is.
    required : bool
        Whether the equations cannot do without; others may be left out where a model runs on tensors, and are NaN then.
    """

    name: str
    unit: str
    meaning: str = ""
    required: bool = True


@dataclass(frozen=True)
class Store:
    """What a process model keeps from step to step.

    Parameters
    ----------
    name : str
        Its symbol in the equations: ``s.SP``.
    unit : str
        Unit.
    meaning : str
        What it holds.
    initial : float
        Content of a model that starts from nothing.
    least, largest : float or None
        What it may be set to from outside, or restarted with; None: any finite number.
    balance : bool
        Whether it counts in the balance.
    output : str
        Name among the outputs of a run; by default ``name``.
    bmi_name : str
        Name of its BMI variable; by default made from ``output``.
    state_name : str
        Name for reading and setting it from outside, ``state::…``; by default ``output``.
    slack : float
        What a step may leave it below ``least`` or above ``largest`` by, so that a restart takes it.
    title : str
        Short name for people, in tables and pictures; by default ``meaning``.
    panel : str
        Title of the picture that it shares with others, such as ``Groundwater``; by default that of all stores without one.
    standard_name : str
        Its name in the table of the CF conventions, where that has one.
    """

    name: str
    unit: str
    meaning: str = ""
    initial: float = 0.0
    least: float | None = 0.0
    largest: float | None = None
    balance: bool = True
    output: str = ""
    bmi_name: str = ""
    state_name: str = ""
    slack: float = ROUNDING
    title: str = ""
    panel: str = ""
    standard_name: str = ""

    def __post_init__(self) -> None:
        """Make the names that are not given."""
        object.__setattr__(self, "output", self.output or self.name)
        object.__setattr__(self, "bmi_name", self.bmi_name or self.output)
        object.__setattr__(self, "state_name", self.state_name or self.output)

    def holds(self, values: Any, slack: float) -> Any:
        """Say which of some contents, an array, are within its bounds or beyond them by no more than ``slack``."""
        within = values == values
        if self.least is not None:
            within &= values >= self.least - slack
        if self.largest is not None:
            within &= values <= self.largest + slack
        return within

    @property
    def bounds(self) -> str:
        """What it may hold, in words."""
        ends = [] if self.least is None else [f"not below {self.least:g} {self.unit}"]
        ends += [] if self.largest is None else [f"not above {self.largest:g} {self.unit}"]
        return f"numbers {' and '.join(ends)}" if ends else "finite numbers"


@dataclass(frozen=True)
class Flux:
    """What a step gives besides its stores.

    Parameters
    ----------
    name : str
        Name among the results of a step, and among the outputs of a run.
    unit : str
        Unit; an amount per step where it counts in the balance.
    meaning : str
        What it is.
    balance : {"in", "out", "exchange", "clipping", None}
        What it is in the balance; None where it moves between stores, or is no amount.
    routed : bool
        Whether it goes through the routing on its way out.
    bmi_name : str
        Name of its BMI variable; by default made from ``name``.
    routed_bmi_name : str
        Name of the BMI variable of :attr:`routed_name`; by default made from that.
    at_end : bool
        Whether it is what is held at the end of a step, as a store is, not an amount of the step.
    title : str
        Short name for people of what leaves the catchment, after the routing where there is one; by default ``meaning``.
    panel : str
        Title of the picture in which that is drawn; by default it is in none.
    standard_name : str
        Its name in the table of the CF conventions, where that has one for a depth of water.
    """

    name: str
    unit: str
    meaning: str = ""
    balance: Balance | None = None
    routed: bool = False
    bmi_name: str = ""
    routed_bmi_name: str = ""
    at_end: bool = False
    title: str = ""
    panel: str = ""
    standard_name: str = ""

    def __post_init__(self) -> None:
        """Make the names that are not given."""
        object.__setattr__(self, "bmi_name", self.bmi_name or self.name)
        object.__setattr__(self, "routed_bmi_name", self.routed_bmi_name or self.routed_name)

    @property
    def routed_name(self) -> str:
        """Name of the output that is this flux after routing: ``unrouted_x`` becomes ``x``, and ``x`` becomes ``routed_x``."""
        stem = self.name.removeprefix("unrouted_")
        return stem if stem != self.name else f"routed_{self.name}"


class ProcessModel(ABC):
    """A process model: declare the tables as class attributes and write :meth:`step`.

    A model may take options in its constructor (numbers, not tensors): they are constants of its equations.

    Attributes
    ----------
    name : str
        Name by which it is registered.
    family : str
        Name by which people know it; by default ``name``.
    steps_per_day : int
        1 for a daily model, 24 for an hourly one.
    forcings, parameters, stores, fluxes, attributes
        What it reads, holds and gives.
    route_a, route_b : Parameter
        Ranges of shape and time scale of the unit hydrograph where one routes its flows (:mod:`dmg_core.routing`).
    hydrograph_steps : int
        Length of the unit hydrograph, steps.
    default_nmul : int
        Components of a model whose settings do not say how many.
    first_outputs : tuple of str
        Outputs that lead the list of its BMI variables, in this order; all others follow as they are declared.
    tabulated : tuple of str
        Outputs that the tables of a run have besides those that make up its balance.
    citations : tuple of Citation
        Papers of its equations (:mod:`dmg_core.citations`).
    site_names : tuple of str, optional
        What :meth:`site` gives, in its order, where it need not be found out by trying it.
    compiled : bool
        False for a model whose step cannot be traced; it then runs through torch alone.

    Examples
    --------
    >>> @PROCESS_MODELS.register("LinearReservoir")
    ... class LinearReservoir(ProcessModel):
    ...     forcings = (Forcing("P", "mm", aggregate="sum"),)
    ...     parameters = (Parameter("parK", 0.01, 0.9, "1/d", "recession"),)
    ...     stores = (Store("S", "mm"),)
    ...     fluxes = (Flux("runoff", "mm", balance="out", routed=True),)
    ...
    ...     def step(self, s, p, x, dt):
    ...         runoff = p.K * dt * (s.S + x.P)
    ...         return {"S": s.S + x.P - runoff}, {"runoff": runoff}
    """

    name: ClassVar[str] = ""
    family: ClassVar[str] = ""
    steps_per_day: ClassVar[int] = 1
    forcings: ClassVar[tuple[Forcing, ...]] = ()
    parameters: ClassVar[tuple[Parameter, ...]] = ()
    attributes: ClassVar[tuple[Attribute, ...]] = ()
    stores: ClassVar[tuple[Store, ...]] = ()
    fluxes: ClassVar[tuple[Flux, ...]] = ()
    route_a: ClassVar[Parameter] = Parameter("route_a", 0.0, 2.9, "1", "shape of the unit hydrograph")
    route_b: ClassVar[Parameter] = Parameter("route_b", 0.0, 6.5, "d", "time scale of the unit hydrograph")
    hydrograph_steps: ClassVar[int] = 15
    default_nmul: ClassVar[int] = 16
    first_outputs: ClassVar[tuple[str, ...]] = ()
    tabulated: ClassVar[tuple[str, ...]] = ()
    citations: ClassVar[tuple[Citation, ...]] = ()
    compiled: ClassVar[bool] = True
    site_names: ClassVar[tuple[str, ...] | None] = None

    @abstractmethod
    def step(self, s: Quantity, p: Quantity, x: Quantity, dt: float) -> tuple[Mapping[str, Quantity], Mapping[str, Quantity]]:
        """Advance by one step.

        Parameters
        ----------
        s : namespace
            Stores at the beginning, by name.
        p : namespace
            Physical values of the parameters, by symbol.
        x : namespace
            Forcing of the step by name, and what :meth:`site` gives of the catchment.
        dt : float
            Length of the step, days.

        Returns
        -------
        mapping of str to Quantity
            All stores at the end.
        mapping of str to Quantity
            All fluxes of the step.
        """

    def site(self, a: Quantity) -> Mapping[str, torch.Tensor]:
        """Compute once per catchment what the equations need of its attributes: tensors (B,) by name, read as ``x.name``.

        By default the attributes themselves. It is tried with 1 for each of them.
        """
        return {attribute.name: getattr(a, attribute.name) for attribute in self.attributes}

    @property
    def reads_attributes_alone(self) -> bool:
        """Whether :meth:`site` is the default: what the equations read of a catchment are its attributes."""
        return type(self).site is ProcessModel.site

    @property
    def dt(self) -> float:
        """Length of a step, days."""
        return 1.0 / self.steps_per_day

    @classmethod
    def parameters_for(cls, dynamic: Iterable[str]) -> tuple[Parameter, ...]:
        """Parameters that a network gives where those called ``dynamic`` vary in time, in the order of the table."""
        names = set(dynamic)
        return tuple(one for one in cls.parameters if one.constant is None or one.varies or one.name in names)

    @classmethod
    def split(cls, dynamic: Iterable[str]) -> tuple[tuple[Parameter, ...], tuple[Parameter, ...]]:
        """Divide the parameters a network gives into dynamic and static ones, in the order of the table.

        Raises
        ------
        ConfigError
            If a name in ``dynamic`` is no parameter of this model, or stands there twice.
        """
        names, known = list(dynamic), [parameter.name for parameter in cls.parameters]
        for name in names:
            if name not in known:
                raise ConfigError(f"{cls.name}: dynamic parameter {name!r} is not one of {', '.join(known)}")
            if names.count(name) > 1:
                raise ConfigError(f"{cls.name}: dynamic parameter {name!r} is listed twice")
        given = cls.parameters_for(names)
        varying = [one.name for one in given if one.varies or one.name in names]
        return tuple(one for one in given if one.name in varying), tuple(one for one in given if one.name not in varying)


class _ProcessModels(Registry[type[ProcessModel]]):
    """Process models by name; each is told its own."""

    def register(self, name: str, *aliases: str) -> Callable[[type[ProcessModel]], type[ProcessModel]]:
        """Make a decorator that enters a class; see :meth:`dmg_core.registry.Registry.register`."""
        enter = super().register(name, *aliases)

        def entered(model: type[ProcessModel]) -> type[ProcessModel]:
            model.name, model.family = name, model.family or name
            return enter(model)

        return entered


#: Process models by name, open to users' own.
PROCESS_MODELS: Registry[type[ProcessModel]] = _ProcessModels("process model")
