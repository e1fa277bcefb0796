"""A process model on tensors: series of weather and network outputs in, fluxes and last stores out.

Nothing here has weights. What a network gives, numbers in [0, 1], is turned into parameters; the process model is stepped through time for
``nmul`` components side by side, the components are averaged, and the mean is routed. Everything is differentiable with respect to
forcing, parameters, attributes and first stores.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn

from dmg_core.equations.series import simulate_series
from dmg_core.equations.torch_form import torch_step
from dmg_core.models import ProcessModel
from dmg_core.models.layout import TOTAL, UNROUTED_TOTAL
from dmg_core.physics.form import PhysicsForm
from dmg_core.routing import UnitHydrograph, bounded

#: Value of a parameter that varies in time before the first step, where nothing reads it.
_NOT_YET: Final = 1.0


class PhysicsState(NamedTuple):
    """What a process model needs to go on."""

    stores: Tensor
    """Contents of the stores, in declared order, (B, nmul, S)."""
    in_transit: Tensor
    """Routed fluxes by the step in which they arrive, (B, R, L - 1)."""


class Fractions(NamedTuple):
    """Parameters as a network gives them, numbers in [0, 1], with their axes apart."""

    dynamic: Tensor
    """(T, B, n_dynamic, nmul)"""
    static: Tensor
    """(B, n_static, nmul)"""
    routing: Tensor
    """Parameters of the routing, (B, n)."""


class Physics(PhysicsForm, nn.Module):
    """A process model, its components and its routing, on tensors.

    Parameters
    ----------
    process, nmul, dynamic, routing
        See :class:`~dmg_core.physics.form.PhysicsForm`.
    """

    def __init__(self, process: ProcessModel | str, nmul: int = 1, dynamic: Iterable[str] = (), routing: bool = True) -> None:
        nn.Module.__init__(self)
        PhysicsForm.__init__(self, process, nmul, dynamic, routing)

    def initial_state(self, catchments: int, like: Tensor) -> PhysicsState:
        """State of ``catchments`` that start from nothing, of the dtype and on the device of ``like``."""
        stores = torch.as_tensor(self.layout.initial).to(like).expand(catchments, self.nmul, -1)
        return PhysicsState(stores, like.new_zeros((catchments, len(self.layout.routed), self.routing.steps - 1)))

    def stores_from(self, other: Physics, stores: Tensor) -> Tensor:
        """Take over the stores (B, nmul, S) of another model by name; those that it has not are as at the start."""
        theirs = [store.name for store in other.process.stores]
        columns = [
            stores[..., theirs.index(store.name)] if store.name in theirs else torch.full_like(stores[..., 0], store.initial)
            for store in self.process.stores
        ]
        return torch.stack(columns, dim=-1)

    def site(self, catchments: int, like: Tensor, attributes: Mapping[str, Tensor]) -> Tensor:
        """Gather what the equations need of each catchment, (B, A), from its attributes (B,), by their symbols.

        Raises
        ------
        ValueError
            If a required attribute is missing, or has another shape; others count as unknown (NaN).
        """
        values = {}
        for attribute in self.process.attributes:
            given = attributes.get(attribute.name)
            if given is None and attribute.required:
                raise ValueError(f"{self.process.name} needs the attribute {attribute.name} ({attribute.meaning}, {attribute.unit})")
            values[attribute.name] = like.new_full((catchments,), torch.nan) if given is None else given.to(like)
            if tuple(values[attribute.name].shape) != (catchments,):
                found = tuple(values[attribute.name].shape)
                raise ValueError(f"{self.process.name}: {attribute.name} has shape {found}, expected {(catchments,)}")
        site = self.process.site(SimpleNamespace(**values))
        return torch.stack([column.to(like) for column in site.values()], dim=-1) if site else like.new_empty((catchments, 0))

    def fractions(self, dynamic01: Tensor, static01: Tensor) -> Fractions:
        """Take apart dynamic (T, B, n_dynamic * nmul) and static (B, n_static * nmul + n) network outputs, columns parameter-major.

        Raises
        ------
        ValueError
            If there are not as many columns.
        """
        self._check_columns("dynamic parameters", dynamic01, len(self.dynamic_parameters) * self.nmul)
        dynamic = dynamic01.reshape(*dynamic01.shape[:-1], len(self.dynamic_parameters), self.nmul)
        return Fractions(dynamic, *self.static_fractions(static01))

    def static_fractions(self, static01: Tensor) -> tuple[Tensor, Tensor]:
        """Split columns (B, n_static * nmul + n) into static parameters (B, n_static, nmul) and those of the routing (B, n)."""
        columns = len(self.static_parameters) * self.nmul
        self._check_columns("static parameters", static01, columns + len(self.routing.parameters))
        static = static01[:, :columns].reshape(len(static01), len(self.static_parameters), self.nmul)
        return static, static01[:, columns:]

    def constants(self, static: Tensor, routing: Tensor, longest: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Turn static (B, n_static, nmul) and routing (B, n) fractions into parameters (B, nmul, P) and weights of the routing (B, L).

        The parameters are all of the process model's; columns of dynamic ones hold no values yet. ``longest`` (B,) bounds the mean delay of
        the routing, in steps (:mod:`dmg_core.routing.delay_bound`).
        """
        columns = []
        for parameter in self.process.parameters:
            if parameter in self.static_parameters:
                columns.append(parameter.scale(static[:, self.static_parameters.index(parameter)]))
            else:
                value = _NOT_YET if parameter.constant is None else parameter.constant
                columns.append(static.new_full((static.shape[0], self.nmul), value))
        values = torch.stack(columns, dim=-1) if columns else static.new_empty((static.shape[0], self.nmul, 0))
        weights = self.routing.weights(routing)
        return values, weights if longest is None else bounded(weights, longest)

    def forward(
        self,
        forcing: Tensor,
        parameters01: tuple[Tensor, Tensor],
        state: PhysicsState | None = None,
        **attributes: Tensor,
    ) -> tuple[dict[str, Tensor], PhysicsState]:
        """Run a series.

        Parameters
        ----------
        forcing : Tensor, shape (T, B, F)
            Forcings in declared order, per step.
        parameters01 : tuple of Tensor
            Dynamic parameters (T, B, n_dynamic * nmul) and static ones (B, n_static * nmul [+ n]), in [0, 1]; those of the routing last.
        state : PhysicsState, optional
            Where to start.
        **attributes : Tensor, shape (B,)
            What the equations read of the catchments, by symbol.

        Returns
        -------
        dict of str to Tensor (T, B), PhysicsState
            See :meth:`simulate`.
        """
        self._check_forcing(forcing)
        dynamic, static, routing = self.fractions(*parameters01)
        site = self.site(forcing.shape[1], forcing, attributes)
        return self.simulate(forcing, dynamic, *self.constants(static, routing), site, state)

    def simulate(
        self,
        forcing: Tensor,
        dynamic: Tensor,
        parameters: Tensor,
        weights: Tensor,
        site: Tensor,
        state: PhysicsState | None = None,
    ) -> tuple[dict[str, Tensor], PhysicsState]:
        """Step through a series and route it.

        Parameters
        ----------
        forcing : Tensor, shape (T, B, F)
            Forcings in declared order, per step.
        dynamic : Tensor, shape (T, B, n_dynamic, nmul)
            Dynamic parameters as the network gives them, in [0, 1].
        parameters : Tensor, shape (B, nmul, P)
            Physical values of all parameters; columns of dynamic ones are not read.
        weights : Tensor, shape (B, L)
            Of the routing.
        site : Tensor, shape (B, A)
            See :meth:`site`.
        state : PhysicsState, optional
            Where to start; by default from nothing.

        Returns
        -------
        dict of str to Tensor (T, B)
            All outputs of the layout: fluxes per step, stores at its end.
        PhysicsState
            Where to go on.

        Raises
        ------
        ValueError
            If shapes do not go together.
        """
        self._check_forcing(forcing)
        state = state or self.initial_state(forcing.shape[1], forcing)
        self._check_shapes(forcing, dynamic, parameters, site, state)
        outputs, stores = self._step_through(forcing, dynamic, parameters, site, state.stores)
        outputs |= {name: forcing[..., place] for name, place in self.layout.given_back.items()}
        in_transit = state.in_transit
        if self.layout.routed:
            unrouted = torch.stack([outputs[flux.name] for flux in self.layout.routed])
            routed, in_transit = self.routing.advance(unrouted, weights, in_transit)
            outputs |= dict(zip((flux.routed_name for flux in self.layout.routed), routed, strict=True))
            outputs |= {TOTAL: routed.sum(0), UNROUTED_TOTAL: unrouted.sum(0)}
        return {name: outputs[name] for name in self.layout.outputs}, PhysicsState(stores, in_transit)

    def series(
        self, output: str, forcing: Tensor, dynamic: Tensor, parameters: Tensor, weights: Tensor, site: Tensor, *, warm_up: int = 0
    ) -> Tensor:
        """Run a series for one output, as learning needs it: by compiled code on CPU, else as :meth:`simulate`.

        Parameters
        ----------
        output : str
            One of the layout's.
        forcing, dynamic, parameters, weights, site
            See :meth:`simulate`.
        warm_up : int
            Steps at the beginning that only fill the stores: no gradient flows through them.

        Returns
        -------
        Tensor, shape (T - warm_up, B)
            In the precision of the forcing.

        Raises
        ------
        ConfigError
            If there is no such output.
        """
        self.layout.places([output])
        state = self.initial_state(forcing.shape[1], forcing)
        self._check_shapes(forcing, dynamic, parameters, site, state)
        if warm_up:
            with torch.no_grad():
                state = self.one_output(output, forcing[:warm_up], dynamic[:warm_up], parameters, weights, site, state)[1]
        return self.one_output(output, forcing[warm_up:], dynamic[warm_up:], parameters, weights, site, state)[0]

    def one_output(
        self, output: str, forcing: Tensor, dynamic: Tensor, parameters: Tensor, weights: Tensor, site: Tensor, state: PhysicsState
    ) -> tuple[Tensor, PhysicsState]:
        """Give one output (T, B) of a series from a state, and where to go on (with all flow in transit as one kind).

        Arguments are those of :meth:`simulate`. Gradients flow from the series and from the last stores to all that is given.
        """
        if output in self.layout.given_back:
            return forcing[..., self.layout.given_back[output]], state
        if forcing.device.type != "cpu" or not self.process.compiled:
            outputs, state = self.simulate(forcing, dynamic, parameters, weights, site, state)
            return outputs[output], state
        names, is_routed = self._made_of(output)
        (series,), stores = simulate_series(
            self.process,
            forcing,
            state.stores,
            parameters,
            site,
            dynamic=self.dynamic_parameters,
            fractions=dynamic,
            results=[names],
        )
        series, in_transit = series.to(forcing), state.in_transit
        if is_routed:
            in_transit = in_transit.to(forcing).sum(1, keepdim=True)
            routed, in_transit = self.routing.advance(series[None], weights.to(forcing), in_transit)
            series = routed[0]
        return series, PhysicsState(stores, in_transit)

    def _made_of(self, output: str) -> tuple[tuple[str, ...], bool]:
        """Say which fluxes or store an output is the sum of, and whether it is routed."""
        routed = {flux.routed_name: flux.name for flux in self.layout.routed}
        if routed and output in {TOTAL, UNROUTED_TOTAL}:
            return tuple(routed.values()), output == TOTAL
        if output in routed:
            return (routed[output],), True
        stores = {store.output: store.name for store in self.process.stores}
        return (stores.get(output, output),), False

    def _step_through(
        self, forcing: Tensor, dynamic: Tensor, parameters: Tensor, site: Tensor, stores: Tensor
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Step the equations; returns the component means (T, B) of fluxes and stores by output, and the last stores."""
        process = self.process
        constant = {parameter.symbol: parameters[..., place] for place, parameter in enumerate(process.parameters)}
        known = {name: site[:, [place]] for place, name in enumerate(self.layout.site)}
        names = [store.name for store in process.stores]
        held = dict(zip(names, stores.unbind(-1), strict=True)) if names else {}
        like = forcing.new_empty((forcing.shape[1], self.nmul))
        means: list[Tensor] = []
        # Taken apart at once: the derivative of each index into a series would be as large as the series.
        for weather, fractions in zip(forcing.unbind(0), dynamic.unbind(0), strict=True):
            x = known | {one.name: weather[:, [place]] for place, one in enumerate(process.forcings)}
            held, fluxes = torch_step(process, held, constant | self._physical(fractions), x, like)
            means.append(torch.stack([*fluxes.values(), *held.values()]).mean(-1))
        outputs = (*(flux.name for flux in process.fluxes), *(store.output for store in process.stores))
        last = torch.stack(list(held.values()), dim=-1) if names else stores
        return dict(zip(outputs, torch.stack(means, dim=1), strict=True)), last

    def _physical(self, fractions: Tensor) -> dict[str, Tensor]:
        """Physical values (B, nmul) of the dynamic parameters by symbol, from fractions (B, n_dynamic, nmul)."""
        if not self.dynamic_parameters:
            return {}
        return {one.symbol: one.scale(column) for one, column in zip(self.dynamic_parameters, fractions.unbind(1), strict=True)}

    def _check_shapes(self, forcing: Tensor, dynamic: Tensor, parameters: Tensor, site: Tensor, state: PhysicsState) -> None:
        """Refuse what torch would broadcast or cut without a word."""
        self._check_forcing(forcing)
        steps, catchments = forcing.shape[:2]
        stores = ", ".join(store.name for store in self.process.stores) or "none"
        expected = {
            "dynamic parameters": (dynamic, (steps, catchments, len(self.dynamic_parameters), self.nmul)),
            "static parameters": (parameters, (catchments, self.nmul, len(self.process.parameters))),
            "attributes": (site, (catchments, len(self.layout.site))),
            f"state with stores {stores}": (state.stores, (catchments, self.nmul, len(self.process.stores))),
        }
        for what, (tensor, shape) in expected.items():
            if tuple(tensor.shape) != shape:
                found = tuple(tensor.shape)
                raise ValueError(f"{self.process.name}: {what} has shape {found}, expected {shape} for forcing {tuple(forcing.shape)}")

    def _check_forcing(self, forcing: Tensor) -> None:
        count = len(self.process.forcings)
        if forcing.ndim != 3 or forcing.shape[2] != count or not forcing.shape[0]:
            raise ValueError(f"{self.process.name}: forcing has shape {tuple(forcing.shape)}, expected (T, B, {count}) with T ≥ 1")

    def _check_columns(self, what: str, tensor: Tensor, expected: int) -> None:
        if tensor.shape[-1] != expected:
            dynamic = [parameter.name for parameter in self.dynamic_parameters]
            raise ValueError(
                f"{self.process.name}: {what} have {tensor.shape[-1]} columns, expected {expected} "
                f"(nmul {self.nmul}, dynamic {dynamic}, routing {isinstance(self.routing, UnitHydrograph)})"
            )
