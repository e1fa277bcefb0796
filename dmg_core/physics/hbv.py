"""The HBV family as torch modules: series of weather and network outputs in, fluxes and final states out.

The modules hold no weights. They turn what a network gives, numbers in [0, 1], into parameters, step the equations of
:mod:`dmg_core.physics.equations` through time for ``nmul`` components side by side, average the components and route the mean. Everything
is differentiable with respect to forcing, parameters and initial states.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from dmg_core import parameters
from dmg_core.errors import ConfigError
from dmg_core.parameters import Variant
from dmg_core.physics.differentiable import runoff
from dmg_core.physics.equations import INITIAL_STORE, PROCESSES, AnyStores, Fluxes, Site, hbv_step, stores_of
from dmg_core.physics.operations import TORCH, Function
from dmg_core.physics.processes.groundwater import large_area_share
from dmg_core.physics.routing import route, unit_hydrograph

#: The flows that the unit hydrograph routes: routed name -> name of the same flow before routing.
ROUTED = {
    "surface_flow": "unrouted_surface_flow",
    "interflow": "unrouted_interflow",
    "baseflow": "unrouted_baseflow",
}

#: Stores as they are called among the outputs.
STORE_OUTPUTS = {
    "swe": "SP",
    "meltwater": "MW",
    "soil_moisture": "SM",
    "upper_zone": "SUZ",
    "lower_zone": "SLZ",
    "excess_store_1": "SIE1",
    "excess_store_2": "SIE2",
}

#: Every output of a model, in order: depths in mm per step, stores in mm at the end of the step. What a member has not is zero.
OUTPUTS = ("streamflow", "unrouted_streamflow", *ROUTED, "pet", *Fluxes._fields, *STORE_OUTPUTS)


def output_places(names: Sequence[str]) -> npt.NDArray[np.int64]:
    """Give the places of some outputs among :data:`OUTPUTS`.

    Raises
    ------
    ConfigError
        If there is no such output; what is wrong and what there is are named.
    """
    unknown = [name for name in names if name not in OUTPUTS]
    if unknown:
        raise ConfigError(f"unknown outputs {', '.join(unknown)}; there are {', '.join(OUTPUTS)}")
    return np.array([OUTPUTS.index(name) for name in names], np.int64)


class HbvState(NamedTuple):
    """What a model needs to go on: its stores and the water under way to the outlet."""

    stores: AnyStores
    """Tensors (B, nmul), mm, as :func:`~dmg_core.physics.equations.stores_of` names them."""
    in_transit: Tensor
    """Routed water by step of arrival (3, L - 1, B), mm; L is 1 without routing."""


class Fractions(NamedTuple):
    """Parameters as a network gives them, numbers in [0, 1], with their axes apart."""

    dynamic: Tensor
    """(T, B, n_dynamic, nmul)"""
    static: Tensor
    """(B, n_static, nmul)"""
    routing: Tensor | None
    """(B, 2): route_a, route_b"""


class Hbv(nn.Module):
    """A member of the HBV family; use one of the subclasses.

    Parameters
    ----------
    nmul : int
        Number of components run side by side.
    dynamic : iterable of str
        Parameters that vary in time, by δMG's names, in any order.
    routing : bool
        Whether a unit hydrograph routes the mean outflow of the components.
    nearzero : float
        Least content of the soil and groundwater stores, mm.
    elevation_threshold : float or None
        Mean elevation, m, from which the snow threshold is 4 °C (2.0 only); None switches this off.
    """

    variant: ClassVar[Variant]
    #: Whether compiled code gives what :meth:`step_equation` does; process models with equations of their own say no.
    compiled: ClassVar[bool] = True

    def __init__(
        self,
        nmul: int = 1,
        dynamic: Iterable[str] = (),
        routing: bool = True,
        nearzero: float = 1e-5,
        elevation_threshold: float | None = 2000.0,
    ) -> None:
        super().__init__()
        self.nmul = nmul
        self.dynamic_parameters, self.static_parameters = self.variant.split(dynamic)
        self.routing = routing
        self.nearzero = nearzero
        self.elevation_threshold = elevation_threshold
        self._step = self.step_equation()

    def step_equation(self) -> Function:
        """Build one time step on tensors; see :func:`~dmg_core.physics.equations.hbv_step` for what it takes and gives."""
        return hbv_step(TORCH, **PROCESSES[self.variant.name])

    @property
    def table(self) -> tuple[parameters.Parameter, ...]:
        """All parameters, in the order of the network's outputs."""
        return self.variant.parameters_for([parameter.name for parameter in self.dynamic_parameters])

    @property
    def dynamic_columns(self) -> list[int]:
        """Columns of the LSTM's outputs that hold dynamic parameters, parameter by parameter."""
        return [at * self.nmul + k for at in self._dynamic_places for k in range(self.nmul)]

    @property
    def _dynamic_places(self) -> list[int]:
        """Places of the dynamic parameters among those the LSTM gives: the dynamic ones alone, unless a subclass says otherwise."""
        return list(range(len(self.dynamic_parameters)))

    def dynamic_fractions(self, raw: Tensor) -> Tensor:
        """Dynamic parameters (T, B, n_dynamic, nmul) in [0, 1] from the LSTM's outputs before the sigmoid (T, B, ·)."""
        by_column = torch.sigmoid(raw[..., self.dynamic_columns])
        return by_column.reshape(*by_column.shape[:2], len(self.dynamic_parameters), self.nmul)

    @property
    def hydrograph_steps(self) -> int:
        """Length of the unit hydrograph in steps; 1 without routing."""
        return self.variant.hydrograph_steps if self.routing else 1

    def initial_state(self, catchments: int, like: Tensor) -> HbvState:
        """State of ``catchments`` that start from nothing, of the dtype and on the device of ``like``."""
        kind = stores_of(self.variant)
        stores = kind(*(like.new_full((catchments, self.nmul), INITIAL_STORE) for _ in kind._fields))
        return HbvState(stores, like.new_zeros((len(ROUTED), self.hydrograph_steps - 1, catchments)))

    def stores_from(self, stores: AnyStores) -> AnyStores:
        """Take over the stores of another member of the family; stores that it has not are as at the start, 0.001 mm."""
        present, kind = stores._asdict(), stores_of(self.variant)
        return kind(*(present.get(name, torch.full_like(stores.SP, INITIAL_STORE)) for name in kind._fields))

    def site(self, catchments: int, like: Tensor, upstream_area: Tensor | None = None, elevation: Tensor | None = None) -> Site:
        """Gather what the equations need to know of each catchment: tensors (B, 1)."""
        area = like.new_zeros(catchments) if upstream_area is None else upstream_area.to(like)
        high = torch.zeros(catchments, dtype=torch.bool, device=like.device)
        if elevation is not None and self.elevation_threshold is not None:
            high = elevation.to(like.device) >= self.elevation_threshold
        return Site(area[:, None], large_area_share(TORCH)(area)[:, None], high[:, None])

    def constants(self, static: Tensor, routing: Tensor | None) -> tuple[dict[str, Tensor], Tensor]:
        """Turn static (B, n_static, nmul) and routing (B, 2) fractions into parameters (B, nmul) by symbol and unit hydrographs (B, L)."""
        values = self._physical(self.static_parameters, static)
        if routing is None:
            return values, static.new_ones((static.shape[0], 1))
        route_a = self.variant.route_a.scale(routing[:, 0])
        route_b = self.variant.route_b.scale(routing[:, 1])
        return values, unit_hydrograph(route_a, route_b, self.hydrograph_steps)

    def simulate(
        self,
        forcing: Tensor,
        dynamic: Tensor,
        static: Mapping[str, Tensor],
        hydrograph: Tensor,
        site: Site,
        state: HbvState | None = None,
    ) -> tuple[dict[str, Tensor], HbvState]:
        """Step through a series and route it.

        Parameters
        ----------
        forcing : Tensor, shape (T, B, 3)
            Precipitation (mm per step), temperature (°C) and potential evapotranspiration (mm per step).
        dynamic : Tensor, shape (T, B, n_dynamic, nmul)
            Dynamic parameters as the network gives them, in [0, 1].
        static : mapping of str to Tensor (B, nmul)
            Physical values of the static parameters, by symbol.
        hydrograph : Tensor, shape (B, L)
            Unit hydrographs.
        site : Site
            See :meth:`site`.
        state : HbvState, optional
            Where to start; by default stores of 0.001 mm and nothing under way.

        Returns
        -------
        dict of str to Tensor (T, B)
            All of :data:`OUTPUTS`.
        HbvState
            Where to go on.

        Raises
        ------
        ValueError
            If shapes do not go together, or the state has the stores of another member.
        """
        if forcing.ndim != 3 or forcing.shape[2] != 3 or not forcing.shape[0]:
            raise ValueError(f"{type(self).__name__}: forcing has shape {tuple(forcing.shape)}, expected (T, B, 3) with T ≥ 1")
        self._check_shapes(forcing, dynamic, static, site)
        stores, in_transit = state if state is not None else self.initial_state(forcing.shape[1], forcing)
        if not isinstance(stores, stores_of(self.variant)):
            found, expected = (", ".join(kind._fields) for kind in (type(stores), stores_of(self.variant)))
            raise ValueError(f"{type(self).__name__}: the state has stores {found}, expected {expected}; see stores_from")
        outputs, stores = self._step_through(forcing, dynamic, static, site, stores)

        unrouted = torch.stack([outputs[name] for name in ROUTED.values()])
        routed, in_transit = route(unrouted, hydrograph, in_transit)
        outputs.update(zip(ROUTED, routed, strict=True))
        outputs.update(streamflow=routed.sum(0), unrouted_streamflow=unrouted.sum(0), pet=forcing[..., 2])
        missing = {name: torch.zeros_like(outputs["pet"]) for name, symbol in STORE_OUTPUTS.items() if symbol not in stores._fields}
        return {name: (outputs | missing)[name] for name in OUTPUTS}, HbvState(stores, in_transit)

    def streamflow(
        self, forcing: Tensor, dynamic: Tensor, static: Mapping[str, Tensor], hydrograph: Tensor, site: Site, *, warm_up: int = 0
    ) -> Tensor:
        """Run a series for its routed flow alone, as learning needs it: by compiled code on CPU, else as :meth:`simulate`.

        Parameters
        ----------
        forcing, dynamic, static, hydrograph, site
            See :meth:`simulate`. On CPU no gradient flows to the forcing.
        warm_up : int
            Steps at the beginning that only fill the stores: no gradient flows through them.

        Returns
        -------
        Tensor, shape (T - warm_up, B)
            mm per step, in the precision of the forcing.
        """
        self._check_shapes(forcing, dynamic, static, site)
        state = self.initial_state(forcing.shape[1], forcing)
        if warm_up:
            with torch.no_grad():
                state = self._flow(forcing[:warm_up], dynamic[:warm_up], static, hydrograph, site, state)[1]
        return self._flow(forcing[warm_up:], dynamic[warm_up:], static, hydrograph, site, state)[0]

    def _flow(
        self, forcing: Tensor, dynamic: Tensor, static: Mapping[str, Tensor], hydrograph: Tensor, site: Site, state: HbvState
    ) -> tuple[Tensor, HbvState]:
        """Routed flow (T, B) of a series, and where to go on (with all flow under way as one kind)."""
        if forcing.device.type != "cpu" or not self.compiled:
            outputs, state = self.simulate(forcing, dynamic, static, hydrograph, site, state)
            return outputs["streamflow"], state
        unrouted, stores = runoff(self.variant, forcing, self.dynamic_parameters, dynamic, dict(static), site, state.stores, self.nearzero)
        in_transit = state.in_transit.sum(0, keepdim=True)
        routed, in_transit = route(unrouted[None].to(forcing), hydrograph.to(forcing), in_transit.to(forcing))
        return routed[0], HbvState(stores, in_transit)

    def _step_through(
        self, forcing: Tensor, dynamic: Tensor, static: Mapping[str, Tensor], site: Site, stores: AnyStores
    ) -> tuple[dict[str, Tensor], AnyStores]:
        """Step the equations; returns the component means (T, B) of fluxes and stores, and the last stores."""
        dt = 1.0 / self.variant.steps_per_day
        means: list[Tensor] = []
        # Taken apart at once: the derivative of each index into a series would be as large as the series.
        for weather, fractions in zip(forcing.unbind(0), dynamic.unbind(0), strict=True):
            precipitation, temperature, pet = weather[..., None].unbind(1)
            p = SimpleNamespace(**{"BETAET": 1.0, **static, **self._physical(self.dynamic_parameters, fractions)})
            stores, fluxes = self._step(stores, p, site, precipitation / dt, temperature, pet / dt, dt, self.nearzero)
            means.append(torch.stack([value.expand_as(stores.SP) for value in (*fluxes, *stores)]).mean(-1))
        names = (*Fluxes._fields, *(name for name, symbol in STORE_OUTPUTS.items() if symbol in stores._fields))
        return dict(zip(names, torch.stack(means, dim=1), strict=True)), stores

    @staticmethod
    def _physical(table: tuple[parameters.Parameter, ...], fractions: Tensor) -> dict[str, Tensor]:
        """Physical values (B, nmul) by the symbols of the equations, from fractions (B, n, nmul)."""
        return {parameter.symbol: parameter.scale(column) for parameter, column in zip(table, fractions.unbind(1), strict=True)}

    def _check_shapes(self, forcing: Tensor, dynamic: Tensor, static: Mapping[str, Tensor], site: Site) -> None:
        """Refuse what torch would broadcast or cut without a word."""
        steps, catchments = forcing.shape[:2]
        expected = {
            "dynamic parameters": (dynamic, (steps, catchments, len(self.dynamic_parameters), self.nmul)),
            **{f"static parameter {symbol}": (values, (catchments, self.nmul)) for symbol, values in static.items()},
            "upstream area": (site.upstream_area, (catchments, 1)),
            "elevation": (site.high, (catchments, 1)),
        }
        for what, (tensor, shape) in expected.items():
            if tuple(tensor.shape) != shape:
                raise ValueError(
                    f"{type(self).__name__}: {what} has shape {tuple(tensor.shape)}, expected {shape} for forcing {tuple(forcing.shape)}"
                )

    def _check_columns(self, what: str, tensor: Tensor, expected: int) -> None:
        if tensor.shape[-1] != expected:
            raise ValueError(
                f"{type(self).__name__}: {what} have {tensor.shape[-1]} columns, expected {expected} "
                f"(nmul {self.nmul}, dynamic {[parameter.name for parameter in self.dynamic_parameters]}, routing {self.routing})"
            )
