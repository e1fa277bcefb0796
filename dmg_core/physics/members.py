"""The members of the HBV family as torch modules, from network outputs to series of fluxes and states."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from dmg_core import parameters
from dmg_core.physics.hbv import Fractions, Hbv, HbvState


class SequenceHbv(Hbv):
    """HBV whose parameters all come from one series of network outputs (δHBV 1.0 and 1.1p).

    Static and routing parameters are the series' *last* values, for the whole series: a batch run looks ahead.
    """

    @property
    def _dynamic_places(self) -> list[int]:
        return [self.table.index(parameter) for parameter in self.dynamic_parameters]

    def fractions(self, raw: Tensor) -> Fractions:
        """Take apart network outputs before the sigmoid (T, B, n * nmul [+ 2]), columns parameter-major."""
        self._check_columns("network outputs", raw, len(self.table) * self.nmul + 2 * self.routing)
        return self.fractions_of(raw[..., self.dynamic_columns], raw[-1])

    def fractions_of(self, dynamic: Tensor, last: Tensor) -> Fractions:
        """Put together network outputs before the sigmoid: the dynamic columns of a series (T, B, ·), all columns of its last step."""
        columns = len(self.table) * self.nmul
        last = torch.sigmoid(last)
        static_at = [self.table.index(parameter) for parameter in self.static_parameters]
        return Fractions(
            dynamic=torch.sigmoid(dynamic).unflatten(-1, (len(self.dynamic_parameters), self.nmul)),
            static=last[:, :columns].unflatten(-1, (len(self.table), self.nmul))[:, static_at],
            routing=last[:, columns:] if self.routing else None,
        )

    def forward(self, forcing: Tensor, raw: Tensor, state: HbvState | None = None) -> tuple[dict[str, Tensor], HbvState]:
        """Run a series.

        Parameters
        ----------
        forcing : Tensor, shape (T, B, 3)
            Precipitation (mm/d), temperature (°C), potential evapotranspiration (mm/d).
        raw : Tensor, shape (T, B, n * nmul [+ 2])
            Network outputs before the sigmoid; with routing, route_a and route_b come last.
        state : HbvState, optional
            Where to start.

        Returns
        -------
        dict of str to Tensor (T, B), HbvState
            See :meth:`Hbv.simulate`.
        """
        dynamic, static, routing = self.fractions(raw)
        return self.simulate(forcing, dynamic, *self.constants(static, routing), self.site(forcing.shape[1], forcing), state)


class Hbv10(SequenceHbv):
    """HBV 1.0 (Feng et al. 2022): no capillary rise; parBETAET exists only when it is dynamic."""

    variant = parameters.HBV_10


class Hbv11p(SequenceHbv):
    """HBV 1.1p (Song et al. 2024): with capillary rise."""

    variant = parameters.HBV_11P


class Hbv20(Hbv):
    """HBV 2.0 (Song et al. 2025): with regional groundwater exchange; static parameters come from catchment attributes."""

    variant = parameters.HBV_20

    def fractions(self, dynamic01: Tensor, static01: Tensor) -> Fractions:
        """Take apart dynamic (T, B, n_dynamic * nmul) and static (B, n_static * nmul [+ 2]) network outputs, columns parameter-major."""
        self._check_columns("dynamic parameters", dynamic01, len(self.dynamic_parameters) * self.nmul)
        dynamic = dynamic01.unflatten(-1, (len(self.dynamic_parameters), self.nmul))
        return Fractions(dynamic, *self.static_fractions(static01))

    def static_fractions(self, static01: Tensor) -> tuple[Tensor, Tensor | None]:
        """Split columns (B, n_static * nmul [+ 2]) into static parameters (B, n_static, nmul) and routing parameters (B, 2)."""
        columns = len(self.static_parameters) * self.nmul
        self._check_columns("static parameters", static01, columns + 2 * self.routing)
        static = static01[:, :columns].unflatten(-1, (len(self.static_parameters), self.nmul))
        return static, static01[:, columns:] if self.routing else None

    def forward(
        self,
        forcing: Tensor,
        parameters01: tuple[Tensor, Tensor],
        upstream_area: Tensor,
        elevation: Tensor | None = None,
        state: HbvState | None = None,
    ) -> tuple[dict[str, Tensor], HbvState]:
        """Run a series.

        Parameters
        ----------
        forcing : Tensor, shape (T, B, 3)
            Precipitation (mm per step), temperature (°C), potential evapotranspiration (mm per step).
        parameters01 : tuple of Tensor
            Dynamic parameters (T, B, n_dynamic * nmul) and static ones (B, n_static * nmul [+ 2]), in [0, 1]; with routing, route_a and
            route_b come last.
        upstream_area : Tensor, shape (B,)
            Area that drains through each catchment, km².
        elevation : Tensor, shape (B,), optional
            Mean elevation, m; without it no catchment counts as high.
        state : HbvState, optional
            Where to start.

        Returns
        -------
        dict of str to Tensor (T, B), HbvState
            See :meth:`Hbv.simulate`.
        """
        dynamic, static, routing = self.fractions(*parameters01)
        site = self.site(forcing.shape[1], forcing, upstream_area, elevation)
        return self.simulate(forcing, dynamic, *self.constants(static, routing), site, state)


class Hbv20Hourly(Hbv20):
    """HBV 2.0 with an hourly step (Yang et al. 2026): infiltration excess; parameters stay in per-day units."""

    variant = parameters.HBV_20_HOURLY


class Hbv21Hourly(Hbv20):
    """HBV 2.1 with an hourly step (Yang et al. 2026): infiltration capacity varies over the catchment, its excess passes two stores."""

    variant = parameters.HBV_21_HOURLY


#: Physics modules by δMG's names.
PHYSICS: Mapping[str, type[SequenceHbv] | type[Hbv20]] = {
    module.variant.name: module for module in (Hbv10, Hbv11p, Hbv20, Hbv20Hourly, Hbv21Hourly)
}
