"""Tests of what flow is said to depend on: against differences, against a reservoir that can be worked out, and against variances."""

from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dmg_core.errors import AttributeTableError, DmgError
from dmg_core.learning.loop.train import train
from dmg_core.model import DeltaModel
from dmg_core.models import PROCESS_MODELS, Flux, Forcing, Parameter, ProcessModel, Store
from dmg_core.sensitivity import SIGNATURES, analyse, analyse_folder, changed_flow, quantities_of
from dmg_core.sensitivity.table import write_elasticities
from tests.dmg_core.factories import make_attributes, make_model, make_weather
from tests.dmg_core.learning.synthetic import make_basins, make_experiment

WARM_UP, DAYS, BASINS = 40, 150, 3


@PROCESS_MODELS.register("LinearReservoirOfSensitivities")
class LinearReservoir(ProcessModel):
    """A linear reservoir."""

    forcings = (Forcing("P", "mm", aggregate="sum"), Forcing("T", "degC"), Forcing("PET", "mm", aggregate="sum"))
    parameters = (Parameter("parK", 0.05, 0.9, "1/d"),)
    stores = (Store("S", "mm", initial=20.0),)
    fluxes = (Flux("runoff", "mm", balance="out", routed=True),)

    def step(self, s: SimpleNamespace, p: SimpleNamespace, x: SimpleNamespace, dt: float) -> Any:
        """Let a share of what is held run off."""
        held = s.S + x.P
        runoff = p.K * held
        return {"S": held - runoff}, {"runoff": runoff}


RESERVOIR = "LinearReservoirOfSensitivities"


def run_of(model: DeltaModel, steps: int = WARM_UP + DAYS) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Weather, attributes and site of some basins."""
    attributes = make_attributes(BASINS, 1)
    columns = np.stack([attributes[name] for name in model.settings.attributes], axis=-1)
    site = {"upstream_area": torch.from_numpy(attributes["uparea"]), "elevation": torch.from_numpy(attributes["meanelevation"])}
    return torch.from_numpy(make_weather(steps, BASINS, 2)), torch.from_numpy(columns), site


@pytest.mark.parametrize("physics", ["Hbv_1_1p", "Hbv_2", RESERVOIR])
def test_derivatives_are_those_of_differences(physics: str) -> None:
    """Of each signature to each quantity, a central difference gives the same."""
    dynamic = () if physics == RESERVOIR else ("parBETA",)
    model = make_model(physics, dynamic=dynamic, log_norm=("uparea",))
    weather, attributes, site = run_of(model)
    count = len(quantities_of(model))
    changes = torch.zeros((BASINS, count), dtype=torch.float64, requires_grad=True)
    flow = changed_flow(model, weather, attributes, changes, warm_up=WARM_UP, **site)
    exact = {name: torch.autograd.grad(of(flow).sum(), changes, retain_graph=True)[0] for name, of in SIGNATURES.items()}
    step = 1e-6
    for column in range(count):
        ends = []
        for sign in (1.0, -1.0):
            moved = torch.zeros((BASINS, count), dtype=torch.float64)
            moved[:, column] = sign * step
            with torch.no_grad():
                ends.append(changed_flow(model, weather, attributes, moved, warm_up=WARM_UP, **site))
        for name, of in SIGNATURES.items():
            difference = (of(ends[0]) - of(ends[1])) / (2.0 * step)
            torch.testing.assert_close(exact[name][:, column], difference, rtol=2e-5, atol=1e-7, msg=lambda told: f"{name}, {told}")  # noqa: B023


def test_no_change_changes_nothing() -> None:
    """With changes of zero the flow is that of the model, bit by bit."""
    model = make_model("Hbv_2")
    weather, attributes, site = run_of(model)
    plain = model.streamflow(weather, attributes, warm_up=WARM_UP, **site)
    changes = torch.zeros((BASINS, len(quantities_of(model))), dtype=torch.float64)
    assert torch.equal(changed_flow(model, weather, attributes, changes, warm_up=WARM_UP, **site), plain)


def test_a_linear_reservoir_is_what_can_be_worked_out() -> None:
    """Its flow is a sum of what rain and first store give, so these two elasticities are their shares, and the rest is the recession's."""
    model = make_model(RESERVOIR, dynamic=(), routing=False, nmul=1)
    weather, attributes, site = run_of(model, DAYS)
    changes = torch.zeros((BASINS, len(quantities_of(model))), dtype=torch.float64, requires_grad=True)
    flow = changed_flow(model, weather, attributes, changes, **site)
    k = model.mean_parameters(weather, attributes, **site)["parK"].double()
    from_store = 20.0 * (1.0 - (1.0 - k) ** DAYS) / DAYS
    gradient = torch.autograd.grad(flow.mean(dim=0).sum(), changes)[0] / flow.mean(dim=0)[:, None]
    by_name = {(one.kind, one.name): gradient[:, place] for place, one in enumerate(quantities_of(model))}
    torch.testing.assert_close(by_name["store", "S"], (from_store / flow.mean(dim=0)).detach())
    # Of what came in n days before the end, 1 - (1 - k)^n has run off, whose derivative is n (1 - k)^(n - 1).
    days = torch.arange(DAYS, 0, -1, dtype=torch.float64)[:, None]
    came = weather[..., 0].clone()
    came[0] += 20.0
    by_recession = (came * k * days * (1.0 - k) ** (days - 1.0)).sum(dim=0) / DAYS
    torch.testing.assert_close(by_name["parameter", "parK"], (by_recession / flow.mean(dim=0)).detach())


def test_variances_say_the_same() -> None:
    """In one basin, first-order indices of Sobol' under small changes are shares of squared elasticities (Sobol' 2001)."""
    sobol_sample = pytest.importorskip("SALib.sample.sobol")
    from SALib.analyze import sobol

    model = make_model("Hbv_2", dynamic=())
    weather, attributes, site = run_of(model)
    weather, attributes, site = weather[:, :1], attributes[:1], {name: values[:1] for name, values in site.items()}
    quantities = quantities_of(model)
    # A threshold decides between rain and snow; of such jumps a derivative knows nothing.
    changed = [place for place, one in enumerate(quantities) if one.kind == "parameter" and one.name != "parTT"]
    names = np.array([quantities[place].name for place in changed])  # an array, because pandas 3 takes no list from SALib 1.5
    problem = {"num_vars": len(changed), "names": names, "bounds": [[-0.002, 0.002]] * len(changed)}
    sample = sobol_sample.sample(problem, 256, calc_second_order=False, seed=1)
    changes = torch.zeros((len(sample), len(quantities)), dtype=torch.float64)
    changes[:, changed] = torch.from_numpy(sample)
    many = [torch.Tensor.expand(each, *each.shape[:-2], len(sample), each.shape[-1]) for each in (weather, attributes)]
    with torch.no_grad():
        flow = changed_flow(model, *many, changes, warm_up=WARM_UP, **{name: values.expand(len(sample)) for name, values in site.items()})
    found = sobol.analyze(problem, flow.mean(dim=0).numpy(), calc_second_order=False, seed=1)["S1"]
    zero = torch.zeros((1, len(quantities)), dtype=torch.float64, requires_grad=True)
    gradient = torch.autograd.grad(changed_flow(model, weather, attributes, zero, warm_up=WARM_UP, **site).mean(), zero)[0][0, changed]
    expected = (gradient**2 / (gradient**2).sum()).numpy()
    assert expected.max() > 0.2
    np.testing.assert_allclose(found, expected, atol=0.05)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training of a few seconds."""
    folder = tmp_path_factory.mktemp("trained") / "training"
    train(make_experiment(), folder)
    return folder


def test_a_folder_is_analysed_block_by_block(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is run together, the table has each basin and quantity, and no-change signatures are those of the model's flow."""
    period = ("2001-01-01", "2001-12-31")
    whole = analyse_folder(trained, Path("made"), None, period, warm_up=50)
    monkeypatch.setattr("dmg_core.sensitivity.analysis.BLOCK", 2)
    parted = analyse_folder(trained, Path("made"), None, period, warm_up=50)
    for name, values in whole.elasticities.items():
        assert values.shape == (3, len(whole.quantities))
        np.testing.assert_allclose(parted.elasticities[name], values, rtol=1e-3, atol=1e-6)
    write_elasticities(tmp_path / "table.csv", whole)
    with (tmp_path / "table.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 3 * len(whole.quantities)
    rain = next(row for row in rows if row["gauge_id"] == "00000001" and row["name"] == "P")
    assert float(rain["mean"]) == pytest.approx(whole.elasticities["mean"][0, 0], rel=1e-5)
    assert rain["change"] == "itself"


def test_a_dry_river_has_no_elasticity(trained: Path) -> None:
    """Where there is no flow, a relative change is not known: it is empty, and does not count in the ranking."""
    found = analyse_folder(trained, Path("made"), None, ("2001-01-01", "2001-12-31"), warm_up=50)
    dry = {name: np.where([[True], [False], [False]], np.nan, values) for name, values in found.elasticities.items()}
    object.__setattr__(found, "elasticities", dry)
    ranking = found.ranking("mean")
    assert ranking == sorted(ranking, key=lambda pair: -pair[1])
    assert all(size > 0.0 for _, size in ranking)


def test_what_cannot_be_analysed_is_named(trained: Path, tmp_path: Path) -> None:
    """A period that the data do not have, and a folder without a model."""
    with pytest.raises(DmgError, match="2010"):
        analyse_folder(trained, Path("made"), None, ("2010-01-01", "2011-12-31"))
    with pytest.raises(DmgError, match=str(tmp_path)):
        analyse_folder(tmp_path, Path("made"), None)


def test_attributes_that_are_lacking_are_named() -> None:
    """The model says which it needs."""
    with pytest.raises(AttributeTableError, match="the data have no attributes uparea, meanslope, meanelevation"):
        analyse(make_model("Hbv_2"), make_basins())
