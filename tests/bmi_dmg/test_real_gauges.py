"""Learning at real gauges: basins of CAMELS as gauges with one unit each, beside two gauges with the divides of their hydrofabrics."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from bmi_dmg.results.network import read_network
from bmi_dmg.run_folder.hydrofabric import read_divides
from dmg_core.data import BasinData, read_camels
from dmg_core.learning.data.gauge_material import load_gauge_material
from dmg_core.learning.data.material import make_material
from dmg_core.learning.data.sampler import Batch
from dmg_core.learning.loop.train import make_parts, train
from dmg_core.learning.settings.experiment_file import experiment_of
from dmg_core.routing import Membership
from tests.dmg_core.learning.loop.test_gauge_training import loss_and_gradient
from tests.dmg_core.learning.loop.test_trainer import log_of
from tests.dmg_core.learning.unit_data import UnitFiles, unit_document

#: Gauges with divides, and where these are.
FABRICS = {"01557500": "juniata/jrb_hydrofabric_v2.2.gpkg", "01123000": "gauged/gages-01123000.gpkg"}
SINGLE = ("01013500", "02056900", "03144000", "12056500")
NAMES = ("aridity", "slope_mean")
SPLIT = {"train": ["2000-10-01", "2002-09-30"], "validation": ["2002-10-01", "2003-09-30"]}
PERIOD = ("1999-10-01", "2003-09-30")


@pytest.fixture(scope="module")
def camels(shared: Path) -> BasinData:
    """The basins."""
    files = (shared / "data" / "camels_us_daymet.nc", shared / "data" / "camels_us_attributes.csv")
    return read_camels(*files, [*SINGLE, *FABRICS], NAMES).period(*PERIOD)


@pytest.fixture(scope="module")
def folder(shared: Path, camels: BasinData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files in which every divide has the weather and the attributes of its basin, and its own area."""
    members: dict[str, list[tuple[str, float]]] = {
        gauge: [(gauge, area)] for gauge, area in zip(camels.ids, camels.upstream_area, strict=True)
    }
    for gauge, file in FABRICS.items():
        geopackage = shared / "data" / file
        divides = read_divides(geopackage)
        network = read_network(geopackage, divides.ids)
        assert network is not None
        units = network.units(divides.area, str(geopackage))
        membership = Membership.from_network(units, {gauge: divides.ids[network.gauges[gauge]]})
        members[gauge] = [(units.ids[unit], float(units.areas[unit])) for unit in membership.members]
    place = {gauge: column for column, gauge in enumerate(camels.ids)}
    rows = [(gauge, unit, area) for gauge, units in members.items() for unit, area in units]
    columns = [place[gauge] for gauge, _, _ in rows]
    weather = camels.forcing[:, columns]
    units_of = {"prcp": "mm/d", "tmean": "degC", "PET": "mm/d"}
    made = tmp_path_factory.mktemp("camels")
    UnitFiles(
        units=[
            {"unit_id": unit, "area_km2": area, **dict(zip(NAMES, camels.attributes[place[gauge]], strict=True))}
            for gauge, unit, area in rows
        ],
        gauges=[{"gauge_id": gauge, "area_km2": area} for gauge, area in zip(camels.ids, camels.upstream_area, strict=True)],
        pairs=[{"gauge_id": gauge, "unit_id": unit} for gauge, unit, _ in rows],
        forcing=xr.Dataset(
            {name: (("unit_id", "time"), weather[..., column].T, {"units": unit}) for column, (name, unit) in enumerate(units_of.items())},
            {"unit_id": [unit for _, unit, _ in rows], "time": camels.dates.astype("datetime64[ns]")},
        ),
        flow={f"{gauge}[mm d-1]": camels.flow[:, column] for gauge, column in place.items()},
        dates=camels.dates,
    ).write(made)
    return made


def test_single_units_are_basins_beside_gauges_of_many(camels: BasinData, folder: Path) -> None:
    """Basins of CAMELS that are their only unit give the loss and gradient of a training on basins, bit by bit."""
    document = unit_document(folder, attributes=list(NAMES), split=SPLIT)
    experiment = experiment_of(document, "gauges")
    lumped = experiment_of({**document, "data": {"file": "camels.nc"}}, "basins")
    gauges, basins = load_gauge_material(experiment), make_material(camels, lumped)
    assert gauges.unit_counts.tolist() == [1, 1, 1, 1, 14, 7]
    assert gauges.ids == basins.ids
    np.testing.assert_allclose(gauges.learned, basins.learned, rtol=1e-14)  # what text keeps of it
    basins = replace(basins, statistics=gauges.statistics, learned=gauges.learned)
    batch = Batch(np.arange(4), np.array([400, 450, 700, 800]))
    found = [loss_and_gradient(make_parts(each, one), one, batch) for each, one in ((experiment, gauges), (lumped, basins))]
    assert torch.equal(found[0][0], found[1][0])
    for mine, theirs in zip(found[0][1], found[1][1], strict=True):
        assert mine is theirs is None or torch.equal(mine, theirs)  # type: ignore[arg-type]


def test_real_gauges_are_learned_from(folder: Path, tmp_path: Path) -> None:
    """A short training with lags at gauges lowers the loss."""
    document = unit_document(
        folder,
        attributes=list(NAMES),
        split=SPLIT,
        channels={"per": "gauge"},
        model={"physics": "Hbv_1_1p", "hidden_size": 8, "nmul": 2, "dynamic": ["parBETA"]},
        sampler={"name": "windows", "basins": 6, "days": 365, "warm_up": 200},
        optimizer={"name": "adam", "learning_rate": 0.02},
        epochs=1,
        iterations_per_epoch=30,
    )
    train(experiment_of(document, "gauges"), tmp_path / "run")
    losses = [float(row["loss"]) for row in log_of(tmp_path / "run")]
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
