"""No process model: a network that gives the flow itself, for comparison and as a partner in ensembles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dmg_core.citations import KRATZERT_2019
from dmg_core.deferred import torch
from dmg_core.errors import ConfigError
from dmg_core.models.process_model import PROCESS_MODELS, Flux, Forcing, Parameter, ProcessModel, Quantity

#: Least value of the network's output: what is less is rounding, and has no logarithm.
LEAST: Final = 1e-37

#: Flow, mm/d, around which the logarithm of the flow passes into the flow itself.
SCALE: Final = 5.0


@PROCESS_MODELS.register("none")
class NoPhysics(ProcessModel):
    """A network alone, without stores and without routing: with an LSTM the rainfall–runoff model of Kratzert et al. (2019).

    The network's output z passes a softplus, so that flow is never negative (Kratzert et al. 2019, Hydrol. Earth Syst. Sci. 23, 5089–5110,
    doi:10.5194/hess-23-5089-2019, have no such bound)::

        Y = 1 / (1 + exp(z)),    streamflow = -scale ln(Y) = scale ln(1 + exp(z))

    Flow well below ``scale`` goes with exp(z), so that basins with little flow are told apart; flow above goes with z, so that floods grow
    with the network's output. Water is not counted: nothing says where rain goes that does not run off, so there is no balance.

    Parameters
    ----------
    scale : float
        In mm/d.
    """

    citations = (KRATZERT_2019,)
    family = "network"
    default_nmul = 1
    forcings = (
        Forcing("P", "mm", aggregate="sum", meaning="precipitation", balance="uncounted"),
        Forcing("T", "degC", meaning="air temperature"),
        Forcing("PET", "mm", aggregate="sum", meaning="potential evapotranspiration"),
    )
    parameters = (Parameter("parY", LEAST, 1.0, "1", "exp(-flow / scale): 1 where nothing flows", varies=True),)
    fluxes = (Flux("streamflow", "mm", "runoff"),)

    def __init__(self, scale: float = SCALE) -> None:
        if isinstance(scale, bool) or not isinstance(scale, int | float) or not 0.0 < scale < float("inf"):
            raise ConfigError(f"process model {self.name}: scale is {scale!r}, expected a flow above 0 mm/d, such as {SCALE:g}")
        self.scale = float(scale)

    def step(
        self,
        s: Quantity,  # there are no stores
        p: Quantity,
        x: Quantity,  # the network has seen the weather
        dt: float,
    ) -> tuple[Mapping[str, Quantity], Mapping[str, Quantity]]:
        """Advance by one day; see the class for the equation."""
        return {}, {"streamflow": -self.scale * dt * torch.log(p.Y)}
