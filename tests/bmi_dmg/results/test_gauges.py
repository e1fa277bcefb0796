"""Tests of flow at gauges: bmi_dmg.results.gauges, gauge_files and the command."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import netCDF4
import numpy as np
import pandas as pd
import pyogrio
import pytest
import torch
import xarray as xr
from typer.testing import CliRunner

from bmi_dmg.cli.main import app
from bmi_dmg.demo.make import make_demo
from bmi_dmg.results.network import gauge_flowpaths, read_network
from bmi_dmg.run_folder.hydrofabric import read_divides
from bmi_dmg.variables import RUNOFF_DEPTH
from dmg_core.checkpoint import read_checkpoint
from dmg_core.multi_scale import ChannelSettings, new_channels, write_channels
from dmg_core.routing import LaggedUnitHydrograph, Membership
from tests.bmi_dmg.results.test_network import write_hydrofabric
from tests.dmg_core.factories import write_model

START, DAYS = datetime(2018, 1, 1), 60
GAUGE = "00000042"
runner = CliRunner()


class Basin(NamedTuple):
    """A run of five divides with one outlet, where a gauge stands, and another gauge at a single divide."""

    folder: Path
    area: np.ndarray
    runoff: np.ndarray
    """Routed, mm/d, shape (5, days)."""
    unrouted: np.ndarray
    headwater: str


@pytest.fixture(scope="module")
def basin(tmp_path_factory: pytest.TempPathFactory) -> Basin:
    """Run once."""
    folder = make_demo(tmp_path_factory.mktemp("basin") / "run", n_catchments=5, days=DAYS, progress=False).run_folder
    geopackage = folder / "config" / "synthetic.gpkg"
    with netCDF4.Dataset(str(folder / "outputs" / "catchments.nc")) as results:
        area = np.asarray(results["area"][:])
        runoff = 24e3 * np.asarray(results["land_surface_water__runoff_depth"][:, 23::24])
        unrouted = 24e3 * np.asarray(results["land_surface_water__unrouted_runoff_volume_flux"][:, 23::24])
    network = read_network(geopackage, read_divides(geopackage).ids)
    assert network is not None
    paths = pyogrio.read_dataframe(geopackage, layer="divides", read_geometry=False)["id"]
    lowest = network.downstream.index(-1)
    gauges = pd.DataFrame({"id": paths, "gage": [GAUGE if row == lowest else None for row in range(5)]})
    pyogrio.write_dataframe(gauges, geopackage, layer="flowpath-attributes", append=True)
    headwater = next(row for row in range(5) if row not in network.downstream)
    return Basin(folder, area, runoff, unrouted, network.ids[headwater])


def write_flow(path: Path, header: str, flow: np.ndarray) -> Path:
    """A file of daily observed flow."""
    lines = [f"{START + timedelta(days=day):%Y-%m-%d},{value:.17g}" for day, value in enumerate(flow)]
    path.write_text("\n".join([f"time,{header}", *lines]))
    return path


def written(folder: Path) -> xr.Dataset:
    """What the command has written."""
    with xr.open_dataset(folder / "outputs" / "gauges.nc") as dataset:
        return dataset.load()


def test_flow_at_a_gauge_is_that_of_all_divides_above(basin: Basin, tmp_path: Path) -> None:
    """Sums in m³/s, and scores against what was observed: 1.25 times the simulated flow has a bias of -20 % and a known NSE."""
    flow = basin.area @ basin.runoff / 86.4
    observed = write_flow(tmp_path / "flow.csv", f"{GAUGE}[m3 s-1]", 1.25 * flow)
    result = runner.invoke(app, ["gauges", str(basin.folder), "--observed", str(observed)])
    assert result.exit_code == 0, result.stderr
    assert result.stdout.split() == [str(basin.folder / "outputs" / name) for name in ("gauges.nc", "gauges.csv")]
    dataset = written(basin.folder)
    assert dataset["gauge_id"].values.tolist() == [GAUGE]
    np.testing.assert_allclose(dataset["discharge"].values[0], flow, rtol=1e-6)
    np.testing.assert_allclose(dataset["observed_discharge"].values[0], 1.25 * flow, rtol=1e-6)
    assert dataset["time"].values[0] == np.datetime64(START)
    table = pd.read_csv(basin.folder / "outputs" / "gauges.csv", dtype={"gauge_id": str}).iloc[0]
    assert (table.gauge_id, table.divides) == (GAUGE, 5)
    assert table.pbias == pytest.approx(-20.0, abs=1e-4)
    nse = 1.0 - np.sum((0.25 * flow) ** 2) / np.sum((1.25 * (flow - flow.mean())) ** 2)
    assert table.nse == pytest.approx(nse, abs=1e-5)
    assert f"{GAUGE}: 5 divides, {basin.area.sum():.1f} km2" in result.stderr


def test_a_lag_takes_unrouted_runoff_and_loses_nothing(basin: Basin) -> None:
    """With a lag the sum of what has not been routed goes through the lagged unit hydrograph: an independent convolution gives the same."""
    result = runner.invoke(app, ["gauges", str(basin.folder), "--lag", "1.5", "2.0", "1.25"])
    assert result.exit_code == 0, result.stderr
    hydrograph = LaggedUnitHydrograph.daily().weights_of(1.5, 2.0, 1.25)[0].numpy()
    assert hydrograph.sum() == pytest.approx(1.0, abs=1e-12)
    expected = np.convolve(basin.area @ basin.unrouted / 86.4, hydrograph)[:DAYS]
    dataset = written(basin.folder)
    assert dataset.attrs["runoff_summed"] == "unrouted_streamflow"
    np.testing.assert_allclose(dataset["discharge"].values[0], expected, rtol=1e-5, atol=1e-9)
    refused = runner.invoke(app, ["gauges", str(basin.folder), "--lag", "1.5", "2.0", "9"])
    assert refused.exit_code == 1
    assert "route_tau is 9, expected 0 to 5 d" in refused.stderr


def test_learned_channels_take_the_runoff_of_their_training(basin: Basin, tmp_path: Path) -> None:
    """Each divide's routed runoff goes its own learned way: an independent convolution by pair gives the same."""
    write_model(tmp_path / "model", "Hbv_2")
    epoch = read_checkpoint(tmp_path / "model").settings.epoch
    statistics = {"way_km": (1.0, 9.0, 5.0, 3.0, 0.0, 10.0)}
    channels = new_channels(ChannelSettings(per="pair", attributes=("way_km",)), statistics, seed=1)
    write_channels(tmp_path / "model", channels, 0 if epoch is None else epoch)
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("gauge_id,divide_id,way_km\n" + "".join(f"{GAUGE},cat-{unit},{unit}\n" for unit in range(1, 6)))
    command = ["gauges", str(basin.folder), "--channels", str(tmp_path / "model")]
    result = runner.invoke(app, [*command, "--pairs", str(pairs)])
    assert result.exit_code == 0, result.stderr
    with torch.no_grad():
        weights = channels.weights(torch.arange(1.0, 6.0, dtype=torch.float64)[:, None]).double().numpy()
    assert weights.std(axis=0).max() > 1e-4
    expected = sum(np.convolve(basin.area[row] * basin.runoff[row] / 86.4, weights[row])[:DAYS] for row in range(5))
    np.testing.assert_allclose(written(basin.folder)["discharge"].values[0], expected, rtol=1e-5)
    for more, message in (([], "channels read way_km of a table of pairs"), (["--lag", "1", "1", "1"], "keep one")):
        refused = runner.invoke(app, [*command, *more])
        assert refused.exit_code == 1
        assert message in refused.stderr
    refused = runner.invoke(app, ["gauges", str(basin.folder), "--pairs", str(pairs)])
    assert refused.exit_code == 1
    assert "--pairs is what learned channels read" in refused.stderr


def test_a_table_says_where_gauges_stand(basin: Basin, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A gauge of a table has the divides above its own; another area than theirs by more than a tenth is told."""
    row = int(basin.headwater.removeprefix("cat-")) - 1
    table = tmp_path / "gauges.csv"
    table.write_text(f"gauge_id,divide_id,area_km2\n77,{basin.headwater},{1.3 * basin.area[row]:g}\n")
    with caplog.at_level(logging.WARNING):
        result = runner.invoke(app, ["gauges", str(basin.folder), "--gauges", str(table)])
    assert result.exit_code == 0, result.stderr
    dataset = written(basin.folder)
    assert dataset["gauge_id"].values.tolist() == ["77"]
    np.testing.assert_allclose(dataset["discharge"].values[0], basin.area[row] * basin.runoff[row] / 86.4, rtol=1e-6)
    assert "gauge 77 drains" in caplog.text + result.stderr
    assert "(-23 %)" in caplog.text + result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--gauge", "99"], "names no gauge 99; it has 00000042"),
        (["--gauges", "gauge_id,divide_id\n9,cat-99\n"], "gauge 9 stands in unit cat-99, which is outside the network"),
        (["--gauges", "gauge_id\n9\n"], "names no gauge 9"),
        (["--observed", f"time,{GAUGE}[K]\n2018-01-01,3\n"], "'K'"),
        (
            ["--observed", f"time,{GAUGE}[mm d-1]\n" + "\n".join(f"2018-01-{day:02d},90000" for day in range(1, 30))],
            "larger than any flood",
        ),
        (["--observed", "time,77[mm d-1]\n2018-01-01,3\n"], "none of its catchments (77 …) is one of the "),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_written(basin: Basin, tmp_path: Path, arguments: list[str], message: str) -> None:
    """Unknown gauges, divides outside the run, wrong units: a message, and files of before as they were."""
    runner.invoke(app, ["gauges", str(basin.folder)])
    before = [(basin.folder / "outputs" / name).read_bytes() for name in ("gauges.nc", "gauges.csv")]
    if "\n" in arguments[1]:
        (tmp_path / "table.csv").write_text(arguments[1])
        arguments = [arguments[0], str(tmp_path / "table.csv")]
    result = runner.invoke(app, ["gauges", str(basin.folder), *arguments])
    assert result.exit_code == 1
    assert message in result.stderr
    assert [(basin.folder / "outputs" / name).read_bytes() for name in ("gauges.nc", "gauges.csv")] == before


def test_lateral_inflow_is_what_divides_give_to_their_channels(basin: Basin, tmp_path: Path) -> None:
    """Qr(divide_id, time) in m³/s is the unrouted runoff times the area; it is nowhere below 1e-6, and a store is not overwritten."""
    store = tmp_path / "inflow.zarr"
    result = runner.invoke(app, ["gauges", str(basin.folder), "--lateral-inflow", str(store)])
    assert result.exit_code == 0, result.stderr
    with xr.open_zarr(store) as dataset:
        assert dataset["Qr"].dims == ("divide_id", "time")
        assert dataset["Qr"].attrs["units"] == "m3/s"
        assert dataset["divide_id"].values.tolist() == [f"cat-{i}" for i in range(1, 6)]
        assert (dataset["time"].values == np.datetime64(START) + np.arange(DAYS).astype("timedelta64[D]")).all()
        expected = np.maximum(basin.area[:, None] * basin.unrouted / 86.4, 1e-6)
        np.testing.assert_allclose(dataset["Qr"].values, expected, rtol=1e-6)
        assert dataset["Qr"].values.min() >= 1e-6
    again = runner.invoke(app, ["gauges", str(basin.folder), "--lateral-inflow", str(store)])
    assert again.exit_code == 1
    assert f"{store} exists" in again.stderr


def test_gauges_are_found_wherever_a_hydrofabric_names_them(tmp_path: Path) -> None:
    """In attributes of flowpaths, hydrolocations with a flowpath or a point of interest alone, and addresses in the network."""
    file = write_hydrofabric(tmp_path / "a.gpkg", [3, 3, 4, 0], {1: "01"})
    layers = {
        "flowpaths": pd.DataFrame({"id": ["wb-1", "wb-2"], "poi_id": [None, "7"]}),
        "hydrolocations": pd.DataFrame(
            {"poi_id": ["7", "7"], "hl_link": ["02", "x"], "hl_reference": ["gages", "dams"], "hl_uri": ["gages-02", "dams-x"]}
        ),
        "network": pd.DataFrame({"id": ["wb-3", "wb-4", "wb-4"], "hl_uri": ["gages-03", "usgs-gage-04", "usgs-gage-03"]}),
    }
    for name, frame in layers.items():
        pyogrio.write_dataframe(frame, file, layer=name, append=True)
    assert gauge_flowpaths(file) == {"01": "wb-1", "02": "wb-2", "03": "wb-3", "04": "wb-4"}
    network = read_network(file, [f"cat-{i}" for i in range(1, 5)])
    assert network is not None
    units = network.units(np.array([1.0, 2.0, 3.0, 4.0]), "a.gpkg")
    found = Membership.from_network(units, {gauge: network.ids[row] for gauge, row in network.gauges.items()})
    assert dict(zip(found.gauges, found.gauge_areas, strict=True)) == {"01": 2.0, "02": 2.0, "03": 6.0, "04": 10.0}


@pytest.mark.parametrize(
    ("file", "gauge", "count", "area"),
    [
        ("juniata/jrb_hydrofabric_v2.2.gpkg", "01557500", 14, 118.0926),
        ("gauged/gages-01123000.gpkg", "01123000", 7, 84.11),
    ],
)
def test_units_of_real_gauges(shared: Path, file: str, gauge: str, count: int, area: float) -> None:
    """Two gauges in real hydrofabrics have the divides and the area that the hydrofabric itself states for their flowpaths."""
    geopackage = shared / "data" / file
    divides = read_divides(geopackage)
    network = read_network(geopackage, divides.ids)
    assert network is not None
    assert divides.area is not None
    membership = Membership.from_network(network.units(divides.area, file), {gauge: network.ids[network.gauges[gauge]]})
    assert membership.pairs == count
    assert membership.gauge_areas[0] == pytest.approx(area, abs=0.01)
    paths = pyogrio.read_dataframe(geopackage, layer="flowpaths", read_geometry=False).set_index("divide_id")
    stated = paths.loc[network.ids[network.gauges[gauge]], "tot_drainage_areasqkm"]
    assert membership.gauge_areas[0] == pytest.approx(stated, rel=1e-6)


def test_two_divides_of_one_flowpath_are_refused(tmp_path: Path) -> None:
    """A flowpath that stands there twice is named with its divides."""
    from dmg_core.errors import ConfigError

    file = write_hydrofabric(tmp_path / "a.gpkg", [2, 0])
    frame = pyogrio.read_dataframe(file, layer="divides")
    frame["id"] = "wb-1"
    pyogrio.write_dataframe(frame, file, layer="divides")
    with pytest.raises(ConfigError, match="has the flowpath wb-1 twice, for cat-1 and cat-2"):
        read_network(file, ["cat-1", "cat-2"])


def test_hours_of_an_hourly_model(tmp_path: Path, write_finished: Callable[..., Path]) -> None:
    """Flow at a gauge is told by the hour, a lag is in hours, and observed days count from midnight on, wherever the run begins."""
    hours, random = 30 + 24 * 6, np.random.default_rng(3)
    areas, start = np.array([1.0, 2.0, 3.0]), datetime(2020, 1, 30, 18)
    runoff = random.uniform(0.0, 1e-3, (3, hours))
    geopackage = write_hydrofabric(tmp_path / "a.gpkg", [3, 3, 0], {3: "42"})
    folder = write_finished(
        tmp_path / "run", start, {RUNOFF_DEPTH: runoff}, np.ones((3, hours)), ids=("cat-1", "cat-2", "cat-3"), geopackage=geopackage
    )
    flow = areas @ runoff * 1e6 / 3600.0
    days = flow[6 : 6 + 24 * 7].reshape(-1, 24).mean(axis=1)
    lines = [f"{datetime(2020, 1, 31) + timedelta(days=day):%Y-%m-%d},{1.25 * value:.17g}" for day, value in enumerate(days)]
    (tmp_path / "flow.csv").write_text("\n".join(["time,42[m3 s-1]", *lines]))
    result = runner.invoke(app, ["gauges", str(folder), "--observed", str(tmp_path / "flow.csv"), "--lag", "0.0", "0.0", "7.0"])
    assert result.exit_code == 0, result.stderr
    dataset = written(folder)
    kernel = LaggedUnitHydrograph.hourly().weights_of(0.0, 0.0, 7.0)[0].numpy()
    assert (kernel[:7] == 0.0).all()
    np.testing.assert_allclose(dataset["discharge"].values[0], np.convolve(flow, kernel)[:hours], rtol=1e-5, atol=1e-9)
    assert dataset["time"].values[1] - dataset["time"].values[0] == np.timedelta64(1, "h")
    assert dataset["time"].values[0] == np.datetime64(start)
    assert runner.invoke(app, ["gauges", str(folder), "--observed", str(tmp_path / "flow.csv")]).exit_code == 0
    table = pd.read_csv(folder / "outputs" / "gauges.csv", dtype={"gauge_id": str}).iloc[0]
    assert table.pbias == pytest.approx(-20.0, abs=1e-3)


def test_a_run_without_a_day_is_refused(tmp_path: Path, write_finished: Callable[..., Path]) -> None:
    """A daily model that has run some hours has no flow of a day."""
    geopackage = write_hydrofabric(tmp_path / "a.gpkg", [0], {1: "42"})
    runoff = np.repeat([[1e-4, 2e-4]], (5, 5), axis=1)  # changes with the last hour of a day
    folder = write_finished(tmp_path / "run", datetime(2020, 1, 30, 18), {RUNOFF_DEPTH: runoff}, np.ones((1, 10)), geopackage=geopackage)
    result = runner.invoke(app, ["gauges", str(folder)])
    assert result.exit_code == 1
    assert "the run has 10 hours and no complete day" in result.stderr
