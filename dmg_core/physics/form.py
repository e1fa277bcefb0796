"""What an engine needs to know of a process model with its components and its routing."""

from __future__ import annotations

from collections.abc import Iterable

from dmg_core.equations.models import tape_of
from dmg_core.models import PROCESS_MODELS, Layout, Parameter, ProcessModel
from dmg_core.networks.columns import Columns
from dmg_core.routing.base import Routing
from dmg_core.routing.gamma import UnitHydrograph
from dmg_core.routing.none import NoRouting


class PhysicsForm:
    """A process model, its components and its routing, as far as no torch is needed.

    Parameters
    ----------
    process : ProcessModel or str
        The process model, or the name of one that needs no options.
    nmul : int
        Number of components run side by side.
    dynamic : iterable of str
        Parameters that vary in time, in any order.
    routing : bool
        Whether a unit hydrograph routes the mean of the components.

    Attributes
    ----------
    dynamic_parameters, static_parameters : tuple of Parameter
        Which vary in time and which do not, in the order of the table.
    layout : Layout
        Outputs and balance.
    routing : Routing
        What happens after the process model.

    Raises
    ------
    ConfigError
        If a name in ``dynamic`` is no parameter of the process model, or its declaration or equations are wrong.
    """

    def __init__(self, process: ProcessModel | str, nmul: int = 1, dynamic: Iterable[str] = (), routing: bool = True) -> None:
        self.process = PROCESS_MODELS[process]() if isinstance(process, str) else process
        self.nmul = nmul
        self.dynamic_parameters, self.static_parameters = self.process.split(dynamic)
        self.layout = Layout.of(self.process)
        if self.process.compiled:
            tape_of(self.process)  # what cannot be traced is told before anything is made of it
        self.routing: Routing = NoRouting()
        if routing and self.layout.routed:
            self.routing = UnitHydrograph(self.process.route_a, self.process.route_b, self.process.hydrograph_steps)

    @property
    def table(self) -> tuple[Parameter, ...]:
        """All parameters that a network gives, in the order of its outputs."""
        return self.process.parameters_for(parameter.name for parameter in self.dynamic_parameters)

    @property
    def columns(self) -> Columns:
        """Where a network that gives all parameters has which: parameter by parameter, those of the routing last."""
        table = self.table

        def of(parameters: tuple[Parameter, ...]) -> list[int]:
            return [table.index(parameter) * self.nmul + k for parameter in parameters for k in range(self.nmul)]

        total = len(table) * self.nmul
        routing = list(range(total, total + len(self.routing.parameters)))
        return Columns(of(self.dynamic_parameters), [*of(self.static_parameters), *routing])
