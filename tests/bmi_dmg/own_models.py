"""Model folders of users' own for the tests of the BMI: models of every shape, with a plugin beside them and tiny seeded weights."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from dmg_core.checkpoint import ModelSettings, write_checkpoint
from dmg_core.equations.models import digest_of_equations
from dmg_core.learning.new_model import new_model
from dmg_core.models import PROCESS_MODELS
from dmg_core.models.making import make_process
from dmg_core.networks import NETWORKS
from dmg_core.plugins import imported

PLUGIN = '''
"""Models of a user's own."""
import torch
from torch import nn

from dmg_core.models import Flux, Forcing, Parameter, PROCESS_MODELS, ProcessModel, Store
from dmg_core.networks import NETWORKS, SeriesNetwork

P = Forcing("P", "mm", aggregate="sum")
T = Forcing("T", "degC", aggregate="mean")
PET = Forcing("PET", "mm", aggregate="sum")


@PROCESS_MODELS.register("TwoBuckets")
class TwoBuckets(ProcessModel):
    """Snow and ground: a degree-day factor and a linear store."""

    forcings = (P, T, PET)
    parameters = (
        Parameter("parTT", -2.5, 2.5, "degC", "snow threshold"),
        Parameter("parCFMAX", 0.5, 10.0, "mm/degC/d", "melt factor"),
        Parameter("parK", 0.01, 0.9, "1/d", "recession"),
    )
    stores = (Store("snow", "mm", "snow on the ground"), Store("ground", "mm", "water in the ground"))
    fluxes = (
        Flux("runoff", "mm", "outflow of the ground", balance="out", routed=True),
        Flux("aet", "mm", "actual evapotranspiration", balance="out"),
        Flux("melt", "mm", "snow that melts"),
        Flux("wetness", "1", "water in the ground as a share of 100 mm"),
    )

    def step(self, s, p, x, dt):
        rain = torch.where(x.T >= p.TT, x.P, 0.0)
        snow = s.snow + (x.P - rain)
        melt = torch.minimum(torch.clamp(p.CFMAX * (x.T - p.TT) * dt, min=0.0), snow)
        ground = s.ground + rain + melt
        aet = torch.minimum(x.PET * 0.5, ground)
        runoff = p.K * dt * (ground - aet)
        ground = ground - aet - runoff
        return {"snow": snow - melt, "ground": ground}, {"runoff": runoff, "aet": aet, "melt": melt, "wetness": ground / 100.0}


@PROCESS_MODELS.register("TwoBucketsHourly")
class TwoBucketsHourly(TwoBuckets):
    steps_per_day = 24


@PROCESS_MODELS.register("OneForcing")
class OneForcing(ProcessModel):
    """A store that rain fills."""

    forcings = (P,)
    parameters = (Parameter("parK", 0.01, 0.9, "1/d"),)
    stores = (Store("S", "mm"),)
    fluxes = (Flux("runoff", "mm", balance="out", routed=True),)

    def step(self, s, p, x, dt):
        runoff = p.K * dt * (s.S + x.P)
        return {"S": s.S + x.P - runoff}, {"runoff": runoff}


@PROCESS_MODELS.register("FourForcings")
class FourForcings(ProcessModel):
    """Snow melts on warm hours of the day, and canals bring water: an input, and one that is taken in three ways."""

    forcings = (
        P,
        Forcing("Tmin", "degC", aggregate="min", bmi_name="land_surface_air__temperature"),
        Forcing("Tmax", "degC", aggregate="max", bmi_name="land_surface_air__temperature"),
        Forcing("canal", "mm", "sum", "water from canals", balance="in", bmi_name="canal_water__depth", least=0.0, largest=9.0),
    )
    parameters = (Parameter("parK", 0.01, 0.9, "1/d"), Parameter("parE", 0.01, 0.2, "mm/degC/d"))
    stores = (Store("S", "mm"),)
    fluxes = (
        Flux("runoff", "mm", balance="out", routed=True),
        Flux("aet", "mm", balance="out"),
        Flux("seepage", "mm", balance="exchange"),
        Flux("range", "degC", "range of the temperature"),
    )

    def step(self, s, p, x, dt):
        held = s.S + x.P + x.canal
        aet = torch.minimum(p.E * dt * torch.clamp(x.Tmax - x.Tmin, min=0.0), held)
        seepage = -0.1 * dt * (held - aet)
        runoff = p.K * dt * (held - aet + seepage)
        return {"S": held - aet + seepage - runoff}, {"runoff": runoff, "aet": aet, "seepage": seepage, "range": x.Tmax - x.Tmin}


@PROCESS_MODELS.register("DegreeDays")
class DegreeDays(ProcessModel):
    """Potential melt of a day: no stores, no routing, nothing in the balance."""

    forcings = (T,)
    parameters = (Parameter("parCFMAX", 0.5, 10.0, "mm/degC/d"), Parameter("parTT", -2.5, 2.5, "degC"))
    fluxes = (Flux("potential_melt", "mm"),)

    def step(self, s, p, x, dt):
        return {}, {"potential_melt": p.CFMAX * torch.clamp(x.T - p.TT, min=0.0) * dt}


class Gru(SeriesNetwork):
    def __init__(self, inputs, outputs, hidden):
        super().__init__()
        self.cell = nn.GRU(inputs, hidden)
        self.out = nn.Linear(hidden, outputs)

    @property
    def state_sizes(self):
        return {"memory": self.cell.hidden_size}

    def advance(self, x, state):
        series, last = self.cell(x, state[0][None].contiguous())
        return self.out(series), (last[0],)


@NETWORKS.register("Gru")
def make_gru(settings, physics, dropout):
    inputs = len(settings.forcings) + len(settings.attributes)
    return Gru(inputs, len(physics.table) * settings.nmul + len(physics.routing.parameters), settings.hidden_size)
'''

#: Models that the plugin registers; Gr4 and none come with the package.
OWN = ("TwoBuckets", "TwoBucketsHourly", "OneForcing", "FourForcings", "DegreeDays")

NAME = "own_models_of_a_user"
ATTRIBUTES = {"slope": 1.5, "aridity": 0.8}


@dataclass(frozen=True)
class OwnModel:
    """A kind of model folder.

    Attributes
    ----------
    physics, network : str
        Names of its parts.
    dynamic : tuple of str
        Parameters that vary in time.
    """

    physics: str
    network: str
    dynamic: tuple[str, ...]

    @property
    def from_series(self) -> bool:
        """Whether static parameters come from a series."""
        return self.network != "LstmMlpModel" and self.physics != "none"


#: By what they differ in: networks stepped by torch and in compiled code, one forcing and four, hours and days, with stores and without.
MODELS = {
    "buckets, GRU": OwnModel("TwoBuckets", "Gru", ("parK",)),
    "buckets": OwnModel("TwoBuckets", "LstmMlpModel", ("parK",)),
    "hourly buckets": OwnModel("TwoBucketsHourly", "LstmMlpModel", ("parK", "parTT")),
    "one forcing": OwnModel("OneForcing", "LstmMlpModel", ("parK",)),
    "four forcings": OwnModel("FourForcings", "LstmMlpModel", ("parK",)),
    "no stores": OwnModel("DegreeDays", "LstmMlpModel", ("parTT",)),
    "GR4": OwnModel("Gr4", "LstmMlpModel", ("parX1",)),
    "HBV in rates": OwnModel("Hbv_implicit", "LstmMlpModel", ("parK0",)),
    "LSTM": OwnModel("none", "LstmModel", ()),
}


@contextmanager
def registered(folder: Path) -> Iterator[None]:
    """Write the plugin into a folder and register what it has, for as long as this lasts."""
    (folder / f"{NAME}.py").write_text(PLUGIN, encoding="utf-8")
    imported(NAME, (folder,))
    yield
    forget(folder)


def forget(folder: Path) -> None:
    """Let the plugin be as if it had never been imported."""
    sys.modules.pop(NAME, None)
    for name in OWN:
        PROCESS_MODELS._entries.pop(name, None)
    NETWORKS._entries.pop("Gru", None)
    sys.path[:] = [place for place in sys.path if not place.startswith(str(folder))]


def write_own_model(folder: Path, model: OwnModel, *, nmul: int = 2) -> Path:
    """Write an untrained model as a model folder; its plugin must be registered, and lie in the folder or beside it."""
    process = PROCESS_MODELS[model.physics]
    made = make_process(model.physics, 1e-5, {})
    settings = ModelSettings(
        physics=model.physics,
        network=model.network,
        nmul=nmul,
        routing=any(flux.routed for flux in process.fluxes),
        nearzero=1e-5,
        dynamic=tuple(parameter.name for parameter in process.split(model.dynamic)[0]),
        forcings=tuple(forcing.name for forcing in process.forcings),
        attributes=tuple(ATTRIBUTES),
        log_norm=(),
        hidden_size=4,
        mlp_hidden_size=3 if model.network == "LstmMlpModel" else None,
        plugins=(NAME,) if model.physics in OWN else (),
        tape=digest_of_equations(made),
    )
    statistics = dict.fromkeys((*settings.forcings, *settings.attributes), (0.0, 10.0, 3.0, 5.0))
    new = new_model(replace(settings), statistics, 1)
    write_checkpoint(folder, settings, statistics, new.network.state_dict(), epoch=1)
    return folder
