"""Folders in the layout of NGWPC's operational fork of ngen: written by ``prepare``, and read by everything."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pyogrio
import pytest

from bmi_dmg.checking.check import check_folder
from bmi_dmg.checking.findings import Severity
from bmi_dmg.driver.run import run
from bmi_dmg.preparing.for_ngwpc import fork_layers, write_fork_hydrofabric
from bmi_dmg.preparing.hydrofabric_attributes import hydrofabric_attributes
from bmi_dmg.preparing.prepare import prepare
from bmi_dmg.report import write_report
from bmi_dmg.report.divides import draw_divides
from bmi_dmg.results.network import read_network
from bmi_dmg.run_folder.hydrofabric import read_divides
from bmi_dmg.run_folder.netcdf_forcing import NetCDFForcing
from bmi_dmg.run_folder.writing import BMI_CONFIGS, FORCING, REALIZATION
from dmg_core.errors import ConfigError
from tests.bmi_dmg.preparing.conftest import BASIN, HOURS, IDS

GEOPACKAGE = Path("config") / "basin.gpkg"


@pytest.fixture
def prepared(folder: Path, table: Path, make_model: Callable[..., Path]) -> Path:
    """A folder prepared for the fork."""
    prepare(folder, make_model(), attributes=table, ngen="ngwpc")
    return folder


def kept(folder: Path, name: Path) -> Path:
    """Where a file is kept as it was."""
    path = folder / name
    return path.with_name(f"{path.name}.before-prepare")


def test_the_network_is_that_of_the_hydrofabric(prepared: Path, tmp_path: Path) -> None:
    """Joined as the fork joins them, numbers with prefixes give the ids, areas and connections of the hydrofabric that was there."""
    with sqlite3.connect(prepared / GEOPACKAGE) as new:
        divides = new.execute(
            "SELECT 'cat-' || d.div_id, 'nex-' || f.dn_nex_id, d.area_sqkm, d.geom IS NULL, typeof(f.slope) "
            "FROM divides d LEFT JOIN flowpaths f ON d.div_id = f.div_id"
        ).fetchall()
        nexuses = new.execute(
            "SELECT 'nex-' || n.nex_id, 'cat-' || f.div_id, n.geom IS NULL FROM nexus n LEFT JOIN flowpaths f ON n.dn_fp_id = f.fp_id"
        ).fetchall()
    before = kept(prepared, GEOPACKAGE).rename(tmp_path / "before.gpkg")
    old = pyogrio.read_dataframe(before, layer="divides", read_geometry=False)
    assert divides == [(*row, 0, "real") for row in zip(old["divide_id"], old["toid"], old["areasqkm"], strict=True)]
    of_path = dict(zip(old["id"], old["divide_id"], strict=True))
    old_nexuses = pyogrio.read_dataframe(before, layer="nexus", read_geometry=False)
    assert nexuses == [(name, of_path.get(to), 0) for name, to in zip(old_nexuses["id"], old_nexuses["toid"], strict=True)]
    assert None in [below for _, below, _ in nexuses]


def test_forcing_has_time_first(prepared: Path) -> None:
    """Time is the first dimension and a double, and all values, units and times are those of the file that was there, bit for bit."""
    with netCDF4.Dataset(str(prepared / FORCING)) as new, netCDF4.Dataset(str(kept(prepared, FORCING))) as old:
        assert list(new.dimensions) == ["time", "catchment-id"]
        assert (new["Time"].dtype, new["Time"].dimensions) == (np.float64, ("time",))
        assert new["Time"].units == "seconds since 1970-01-01 00:00:00"
        np.testing.assert_array_equal(new["Time"][:], old["Time"][0])
        assert new["ids"][:].tolist() == old["ids"][:].tolist()
        names = [name for name in old.variables if name not in ("ids", "Time")]
        assert [name for name in new.variables if name not in ("ids", "Time")] == names
        for name in names:
            assert (new[name].dimensions, new[name].dtype) == (("time", "catchment-id"), np.float32)
            assert new[name].units == old[name].units
            np.testing.assert_array_equal(new[name][:].T, old[name][:])


def test_both_layouts_are_read_alike(prepared: Path, tmp_path: Path) -> None:
    """Ids, areas, positions, attributes, drawings and any hours of weather are the same whichever layout they are read from."""
    new, old = prepared / GEOPACKAGE, tmp_path / "old" / GEOPACKAGE
    old.parent.mkdir(parents=True)
    kept(prepared, GEOPACKAGE).rename(old)
    for found, expected in zip(vars(read_divides(new)).values(), vars(read_divides(old)).values(), strict=True):
        np.testing.assert_array_equal(found, expected)
    attributes = hydrofabric_attributes(new, IDS)
    expected_attributes = hydrofabric_attributes(old, IDS)
    assert attributes.keys() == expected_attributes.keys()
    for name, values in expected_attributes.items():
        np.testing.assert_array_equal(attributes[name], values, err_msg=name)
    assert draw_divides(prepared, IDS) == draw_divides(tmp_path / "old", IDS)
    network = read_network(new, IDS)
    assert network is not None
    assert network == read_network(old, IDS)
    assert max(network.downstream) >= 0
    readers = NetCDFForcing(prepared / FORCING), NetCDFForcing(kept(prepared, FORCING))
    assert readers[0].units == readers[1].units
    assert readers[0].coverage("cat-2") == readers[1].coverage("cat-2")
    for ids, first, hours in ((IDS, 0, HOURS), (("cat-3", "cat-1"), 5, 7), (("cat-2",), 70, 2)):
        for name in readers[0].units:
            np.testing.assert_array_equal(*(reader.read(name, ids, first, hours) for reader in readers))
    for reader in readers:
        reader.close()


def test_runs_are_the_same(prepared: Path, folder_of_stock: Path) -> None:
    """A folder of the fork's is checked, run and reported, with bitwise the results of the same folder for ngen's main branch."""
    assert {finding.severity for finding in check_folder(prepared).findings} <= {Severity.NOTE}
    results = []
    for folder in (prepared, folder_of_stock):
        with netCDF4.Dataset(str(run(folder, progress=False).dataset)) as dataset:
            results.append({name: np.asarray(dataset[name][:]) for name in dataset.variables})
    assert results[0].keys() == results[1].keys()
    for name, values in results[1].items():
        np.testing.assert_array_equal(results[0][name], values, err_msg=name)
    assert write_report(prepared).stat().st_size > 10_000


@pytest.fixture
def folder_of_stock(tmp_path: Path, table: Path, make_model: Callable[..., Path]) -> Path:
    """The same as :func:`prepared` for ngen's main branch."""
    from bmi_dmg.demo.synthetic_catchments import write_hydrofabric
    from bmi_dmg.run_folder.writing import write_forcing
    from tests.bmi_dmg.preparing.conftest import START, weather_of

    folder = tmp_path / "stock"
    (folder / "config").mkdir(parents=True)
    write_hydrofabric(folder / GEOPACKAGE, BASIN)
    write_forcing(folder, IDS, START, weather_of(BASIN))
    prepare(folder, make_model(), attributes=table)
    return folder


LAYOUT_KINDS = {"ngen-configs", "ngen-hydrofabric", "ngen-forcing"}


def test_the_check_knows_which_ngen_reads_a_folder(prepared: Path, folder_of_stock: Path) -> None:
    """Each layout has nothing to object to for the ngen that reads it, and errors for hydrofabric, forcing and configs for the other."""
    for folder, ngen in ((prepared, "ngwpc"), (folder_of_stock, "stock"), (folder_of_stock, "pr957")):
        assert {finding.severity for finding in check_folder(folder, ngen=ngen).findings} <= {Severity.NOTE}
    for folder, ngen in ((prepared, "stock"), (prepared, "pr957"), (folder_of_stock, "ngwpc")):
        found = [finding for finding in check_folder(folder, ngen=ngen).findings if finding.severity is not Severity.NOTE]
        assert {finding.kind for finding in found} == LAYOUT_KINDS
        assert {finding.severity for finding in found} == {Severity.ERROR}


def module_of(folder: Path) -> dict[str, Any]:
    """Parameters of the module in the realization of a folder."""
    module: dict[str, Any] = json.loads((folder / REALIZATION).read_text())["global"]["formulations"][0]["params"]["modules"][0]["params"]
    return module


def test_the_realization_is_the_forks(prepared: Path) -> None:
    """The token stands for a number there, and outputs go where ``output_root`` says; ``output`` would be passed over."""
    assert module_of(prepared)["init_config"] == f"./{BMI_CONFIGS.as_posix()}/cat-{{{{id}}}}.yml"
    assert "cache_input_variable_metadata" not in module_of(prepared)
    content = json.loads((prepared / REALIZATION).read_text())
    assert content["output_root"] == "./outputs/ngen"
    assert "output" not in content


def test_preparing_again_leaves_the_layout(prepared: Path, table: Path, make_model: Callable[..., Path]) -> None:
    """What is in the fork's layout stays so, whether the fork is named or not; for another ngen it is refused."""
    files = {path: path.read_bytes() for path in (prepared / "config").rglob("*") if path.is_file()}
    for ngen in (None, "ngwpc"):
        assert prepare(prepared, make_model(), attributes=table, ngen=ngen).notes == ()
        assert {path: path.read_bytes() for path in (prepared / "config").rglob("*") if path.is_file()} == files
    with pytest.raises(ConfigError, match=r"basin\.gpkg: is in the layout of NGWPC's ngen \(div_id\), which ngen does not read"):
        prepare(prepared, make_model(), attributes=table, ngen="stock")


def test_what_cannot_be_brought_into_the_layout_is_refused(folder: Path, table: Path, make_model: Callable[..., Path]) -> None:
    """A hydrofabric without its network, and ids that are one number, are errors, and nothing is written."""
    layers = {name: pyogrio.read_dataframe(folder / GEOPACKAGE, layer=name) for name in ("divides", "flowpaths", "nexus")}
    cases = (
        ({"divides": layers["divides"]}, "needs the layers divides, flowpaths, nexus; flowpaths and nexus are missing"),
        (layers | {"nexus": layers["nexus"].assign(id="nex-7")}, "two ids of the layer 'nexus' end in 7"),
        (layers | {"nexus": layers["nexus"].assign(id="seven")}, "id 'seven' in the layer 'nexus' is no prefix and number"),
    )
    for changed, message in cases:
        (folder / GEOPACKAGE).unlink()
        for name, layer in changed.items():
            pyogrio.write_dataframe(layer, folder / GEOPACKAGE, layer=name, driver="GPKG")
        before = sorted(path.name for path in folder.rglob("*"))
        columns = table.read_text().splitlines()
        whole = table.with_name("whole.csv")
        whole.write_text("\n".join([f"{columns[0]},meanelevation", *(f"{line},300.0" for line in columns[1:])]))
        with pytest.raises(ConfigError, match=message):
            prepare(folder, make_model(), attributes=whole, ngen="ngwpc")
        assert sorted(path.name for path in folder.rglob("*")) == before


def test_a_real_hydrofabric(shared: Path, tmp_path: Path) -> None:
    """All divides of the Juniata have the same areas, upstream areas and connections in the fork's layout."""
    copy = tmp_path / "basin.gpkg"
    copy.write_bytes((shared / "data" / "juniata" / "jrb_hydrofabric_v2.2.gpkg").read_bytes())
    before = read_divides(copy)
    attributes = hydrofabric_attributes(copy, before.ids)
    write_fork_hydrofabric(copy, fork_layers(copy))
    after = read_divides(copy)
    assert after.ids == before.ids
    np.testing.assert_array_equal(after.area, before.area)
    again = hydrofabric_attributes(copy, before.ids)
    for name in ("uparea", "lengthkm"):
        np.testing.assert_array_equal(again[name], attributes[name])
