"""Process models given by their rates of change; a numerical scheme makes the step of them."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, Final, Literal

from dmg_core.deferred import torch
from dmg_core.errors import ConfigError
from dmg_core.models.newton import fixed_point
from dmg_core.models.process_model import ProcessModel, Quantity

#: How a step is made of rates.
Scheme = Literal["implicit", "crank_nicolson", "explicit"]

#: How much the rates at the end of a step count; those at its beginning count for the rest.
WEIGHTS: Final[dict[str, float]] = {"implicit": 1.0, "crank_nicolson": 0.5, "explicit": 0.0}

#: Range of tolerances: rounding allows no smaller one, and with a larger one stores could be left visibly below zero.
TOLERANCES: Final = (1e-12, 1e-6)

#: What a solution that is within the tolerance may leave a store below its bound by.
SLACK: Final = 1e-5


class RateModel(ProcessModel):
    """A process model of which :meth:`rates` says how fast its stores change; declare the tables as for any other.

    A step of length ``h`` ends where ``after = before + h rates(after)`` (backward Euler, ``implicit``), or with the mean of the rates at
    both ends (``crank_nicolson``), or, for comparison, with the rates at its beginning (``explicit``). The end is found by Newton's method
    (:mod:`dmg_core.equations.implicit`). Then the stores are computed from the fluxes at the solution, so that the balance closes to
    rounding whatever the tolerance.

    Backward Euler is stable for any parameters. The other two can take more from a store than is in it: their stores may be negative.

    Parameters
    ----------
    scheme : {"implicit", "crank_nicolson", "explicit"}
        How a step is made.
    substeps : int
        Equal parts in which each step is taken, with the forcing spread evenly.
    tolerance : float
        Largest residual of a solution, the sum of ``|residual| / (1 + |store|)`` over stores that hang on each other, before the last
        correction by Newton's method. From 1e-12 to 1e-6.

    Raises
    ------
    ConfigError
        If there is no such scheme, or a number makes no sense.

    Examples
    --------
    >>> @PROCESS_MODELS.register("QuadraticReservoir")
    ... class QuadraticReservoir(RateModel):
    ...     forcings = (Forcing("P", "mm", aggregate="sum"),)
    ...     parameters = (Parameter("parK", 0.001, 0.1, "1/mm/d", "recession"),)
    ...     stores = (Store("S", "mm"),)
    ...     fluxes = (Flux("runoff", "mm", balance="out", routed=True),)
    ...
    ...     def rates(self, s, p, x):
    ...         runoff = p.K * s.S * s.S
    ...         return {"S": x.P - runoff}, {"runoff": runoff}
    """

    def __init_subclass__(cls, **options: Any) -> None:
        """Let a restart take stores as the solver leaves them."""
        super().__init_subclass__(**options)
        if isinstance(cls.stores, tuple):  # what it is otherwise is told when the declaration is checked
            cls.stores = tuple(replace(each, slack=max(each.slack, SLACK)) if hasattr(each, "slack") else each for each in cls.stores)

    def __init__(self, scheme: Scheme = "implicit", substeps: int = 1, tolerance: float = 1e-8) -> None:
        title, (least, largest) = type(self).__name__, TOLERANCES
        if scheme not in tuple(WEIGHTS):
            raise ConfigError(f"{title}: scheme is {scheme!r}, expected one of {', '.join(WEIGHTS)}")
        if isinstance(substeps, bool) or not isinstance(substeps, int) or not 1 <= substeps <= 1000:
            raise ConfigError(f"{title}: substeps is {substeps!r}, expected a whole number from 1 to 1000")
        if isinstance(tolerance, bool) or not isinstance(tolerance, int | float) or not least <= tolerance <= largest:
            raise ConfigError(f"{title}: tolerance is {tolerance!r}, expected a number from {least:g} to {largest:g}")
        held = [flux.name for flux in self.fluxes if flux.at_end]
        if held:
            raise ConfigError(f"{title}: flux {held[0]} is what is held at the end of a step, not a rate; declare a store")
        self.scheme, self.substeps, self.tolerance = scheme, substeps, float(tolerance)
        if scheme != "implicit":
            vars(self)["stores"] = tuple(replace(store, least=None) for store in self.stores)

    @abstractmethod
    def rates(self, s: Quantity, p: Quantity, x: Quantity) -> tuple[Mapping[str, Quantity], Mapping[str, Quantity]]:
        """Say how fast stores change, and all fluxes, per day.

        Parameters
        ----------
        s : namespace
            Stores, by name.
        p : namespace
            Physical values of the parameters, by symbol.
        x : namespace
            Forcing by name, per day where it is added up over a step; and what :meth:`site` gives of the catchment.
        before, h : namespace and Quantity, optional
            If the method has five arguments: stores at the beginning of the step (or of its part), and its length, days. A flux that
            empties a store is bounded by ``before.S / h`` and what flows in.

        Returns
        -------
        mapping of str to Quantity
            Change of each store, in its unit per day.
        mapping of str to Quantity
            All fluxes, in their unit per day.
        """

    @property
    def solved(self) -> bool:
        """Whether a step is the solution of equations."""
        return self.scheme != "explicit"

    def update(self, s: Quantity, u: Quantity, p: Quantity, x: Quantity, h: Quantity) -> tuple[dict[str, Quantity], dict[str, Quantity]]:
        """Give stores and fluxes after a part of a step, from an estimate of the stores at its end.

        Parameters
        ----------
        s, u : namespace
            Stores at the beginning, and estimated at the end.
        p, x
            See :meth:`step`.
        h : Quantity
            Length of the part, days.

        Returns
        -------
        dict of str to Quantity
            Stores at the end.
        dict of str to Quantity
            Fluxes, amounts of the part.
        """
        weight = WEIGHTS[self.scheme]
        if weight == 1.0:
            changes, fluxes = self._rates_at(u, s, p, x, h)
        else:
            changes, fluxes = self._rates_at(s, s, p, x, h)
        if 0.0 < weight < 1.0:
            later_changes, later_fluxes = self._rates_at(u, s, p, x, h)
            changes = {name: (1.0 - weight) * rate + weight * later_changes[name] for name, rate in changes.items()}
            fluxes = {name: (1.0 - weight) * rate + weight * later_fluxes[name] for name, rate in fluxes.items()}
        stores = {name: getattr(s, name) + h * rate for name, rate in changes.items()}
        return stores, {name: h * rate for name, rate in fluxes.items()}

    def _rates_at(self, at: Quantity, s: Quantity, p: Quantity, x: Quantity, h: Quantity) -> tuple[Any, Any]:
        summed = {forcing.name for forcing in self.forcings if forcing.aggregate == "sum"}
        arguments = [at, p, x if self.steps_per_day == 1 else _PerDay(x, summed, self.dt)]
        if len(inspect.signature(self.rates).parameters) > len(arguments):
            arguments += [s, h]
        found = self.rates(*arguments)
        if not (isinstance(found, tuple) and len(found) == 2 and all(isinstance(each, Mapping) for each in found)):
            kind = type(found).__name__
            raise ConfigError(
                f"{type(self).__name__}: rates returns {kind}; it returns two mappings, of the changes of all stores and of all fluxes"
            )
        return found

    def step(self, s: Quantity, p: Quantity, x: Quantity, dt: float) -> tuple[Mapping[str, Quantity], Mapping[str, Quantity]]:
        """Advance by one step, in equal parts; see :meth:`ProcessModel.step`. Where a scheme is solved, this is for tensors alone."""
        h, total = dt / self.substeps, dict[str, Quantity]()
        if self.solved and torch.is_inference_mode_enabled():
            with torch.inference_mode(False), torch.no_grad():
                return self.step(_ordinary(s), _ordinary(p), _ordinary(x), dt)
        for _ in range(self.substeps):
            u = self._end(s, p, x, h) if self.solved else s
            stores, fluxes = self.update(s, u, p, x, h)
            if self.solved:  # whatever equations make of it, what has no solution is no number
                unsolved = sum(value - value for value in vars(u).values())
                stores, fluxes = ({name: value + unsolved for name, value in each.items()} for each in (stores, fluxes))
            total = {name: total[name] + flux if name in total else flux for name, flux in fluxes.items()}
            s = SimpleNamespace(**stores)
        return stores, total

    def _end(self, s: Quantity, p: Quantity, x: Quantity, h: float) -> Quantity:
        """Solve for the stores at the end of a part of a step."""
        names = [store.name for store in self.stores]

        def end(estimate: torch.Tensor) -> torch.Tensor:
            stores, _ = self.update(s, SimpleNamespace(**dict(zip(names, estimate, strict=True))), p, x, h)
            return torch.stack([stores[name] for name in names])

        start = torch.stack([getattr(s, name) for name in names])
        return SimpleNamespace(**dict(zip(names, fixed_point(end, start, self.tolerance), strict=True)))


def _ordinary(namespace: Quantity) -> Quantity:
    """Copy tensors of inference mode, which no derivative can be taken by."""
    values = {name: value for name, value in vars(namespace).items() if not name.startswith("_")}
    return SimpleNamespace(**{name: value.clone() if isinstance(value, torch.Tensor) else value for name, value in values.items()})


class _PerDay:
    """Forcings of a step, those that are added up over it as rates per day."""

    def __init__(self, x: Quantity, summed: set[str], dt: float) -> None:
        self._x, self._summed, self._dt = x, summed, dt

    def __getattr__(self, name: str) -> Quantity:
        value = getattr(self._x, name)
        return value / self._dt if name in self._summed else value
