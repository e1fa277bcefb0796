"""The members of the HBV family under the names they had before any process model could take their place."""

from __future__ import annotations

from collections.abc import Iterable

from dmg_core.models import hbv
from dmg_core.physics.physics import Physics


class _Member(Physics):
    """A member of the HBV family; see :class:`~dmg_core.physics.Physics`.

    Parameters
    ----------
    nmul, dynamic, routing
        See :class:`~dmg_core.physics.Physics`.
    nearzero, elevation_threshold
        See :class:`~dmg_core.models.hbv.Hbv`.
    """

    process_model: type[hbv.Hbv]

    def __init__(
        self,
        nmul: int = 1,
        dynamic: Iterable[str] = (),
        routing: bool = True,
        nearzero: float = 1e-5,
        elevation_threshold: float | None = 2000.0,
    ) -> None:
        super().__init__(self.process_model(nearzero, elevation_threshold), nmul, dynamic, routing)


class Hbv10(_Member):
    """HBV 1.0 (Feng et al. 2022)."""

    process_model = hbv.Hbv


class Hbv11p(_Member):
    """HBV 1.1p (Song et al. 2024)."""

    process_model = hbv.Hbv11p


class Hbv20(_Member):
    """HBV 2.0 (Song et al. 2025)."""

    process_model = hbv.Hbv20


class Hbv20Hourly(_Member):
    """HBV 2.0 with an hourly step (Yang et al. 2026)."""

    process_model = hbv.Hbv20Hourly


class Hbv21Hourly(_Member):
    """HBV 2.1 with an hourly step (Yang et al. 2026)."""

    process_model = hbv.Hbv21Hourly
