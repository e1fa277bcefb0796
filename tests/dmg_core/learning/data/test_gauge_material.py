"""Tests of what a training with units and gauges reads: its statistics, its bounds, and what it refuses before it begins."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import yaml

from dmg_core.data.unit_forcing import UnitForcing
from dmg_core.errors import ConfigError, DmgError
from dmg_core.learning.data import statistics, unit_survey
from dmg_core.learning.data.capped import CappedSampler
from dmg_core.learning.data.gauge_material import load_gauge_material
from dmg_core.learning.data.sampler import WindowSampler
from dmg_core.learning.data.statistics import Gathered, row_of
from dmg_core.learning.loop.train import train
from dmg_core.learning.settings.data import UnitDataSettings
from dmg_core.learning.settings.experiment_file import document_of, experiment_of, read_experiment, write_experiment
from tests.dmg_core.learning.synthetic import YEAR, make_basins, make_document
from tests.dmg_core.learning.unit_data import UnitFiles, make_files, unit_document, unit_experiment

TRAINING = slice(YEAR, 3 * YEAR)


def test_statistics_count_each_unit_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are those of the units above gauges learned from, on the training days, each once, in whatever blocks they are read."""
    files = make_files(units=5)  # the last lies above no gauge
    files.flow["04[mm d-1]"][TRAINING] = np.nan
    files.write(tmp_path)
    experiment = unit_experiment(tmp_path, model={**make_document()["model"], "log_norm": ["P"]})
    whole = load_gauge_material(experiment).statistics
    monkeypatch.setattr(unit_survey, "BLOCK", 2)
    heard: list[tuple[int, int]] = []
    again = load_gauge_material(experiment, lambda done, units: heard.append((done, units)))
    assert heard == [(2, 4), (4, 4)]
    for name, row in again.statistics.items():
        assert row == pytest.approx(whole[name], rel=1e-12)
    weather = make_basins(5).forcing[TRAINING, :3]
    assert whole["tmean"] == pytest.approx(row_of(weather[..., 1].ravel(), logarithmic=False), rel=1e-12)
    assert whole["prcp"][2] == pytest.approx(np.log10(np.sqrt(weather[..., 0]) + 0.1).mean(), rel=1e-12)
    assert whole["aridity"][2] == pytest.approx(make_basins(5).attributes[:3, 0].mean(), rel=1e-12)


def test_statistics_of_parts_are_those_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gathered in parts of any size, mean, deviation and extremes are numpy's; percentiles of very many are those of every n-th."""
    values = np.random.default_rng(0).gamma(0.3, 10.0, 20_000)
    gathered = Gathered(len(values), logarithmic=False)
    for part in np.split(values, [0, 3, 500, 501, 12_000]):
        gathered.add(part)
    expected = (*np.percentile(values, (10, 90)), values.mean(), values.std(), values.min(), values.max())
    assert gathered.row == pytest.approx(expected, rel=1e-12)
    monkeypatch.setattr(statistics, "SAMPLED", 2_000)
    thin = row_of(values, logarithmic=False)
    assert thin[2:] == pytest.approx(gathered.row[2:], rel=1e-12)
    assert thin[:2] == pytest.approx(np.percentile(values[::10], (10, 90)))


def test_weather_is_read_in_windows_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the file a batch reads the days and units of its windows; NetCDF and Zarr, in either order of dimensions, give the same."""
    files = make_files()
    files.write(tmp_path)
    files.forcing.transpose("time", "unit_id").astype("float64").to_zarr(tmp_path / "forcing.zarr", zarr_format=2)
    found = []
    for weather in ("forcing.nc", "forcing.zarr"):
        material = load_gauge_material(unit_experiment(tmp_path, data={"forcing": str(tmp_path / weather)}))
        asked: list[tuple[slice, list[int]]] = []
        plain = material.forcing.read

        def read(days: slice, units: Any, plain: Any = plain, asked: Any = asked) -> Any:
            asked.append((days, units.tolist()))
            return plain(days, units)

        monkeypatch.setattr(material.forcing, "read", read)
        days = np.array([10, 200, 10]) + np.arange(30)[:, None]
        found.append(material.windows(days, material.membership.batch([3, 0, 2])))
        assert asked == [(slice(10, 40), [0, 1, 2, 3]), (slice(200, 230), [0]), (slice(10, 40), [0, 2])]
    expected = make_basins(4).forcing
    for one in found:
        assert one.shape == (30, 7, 3)
        np.testing.assert_allclose(one[:, :4], expected[10:40], rtol=1e-6)
        np.testing.assert_allclose(one[:, 4], expected[200:230, 0], rtol=1e-6)
        np.testing.assert_allclose(one[:, 5:], expected[10:40, [0, 2]], rtol=1e-6)


def test_scattered_units_are_read_alike(tmp_path: Path) -> None:
    """Units far apart in the file, out of order and twice, are those that are asked for."""
    count, days = 60, 5
    values = np.arange(count * days, dtype=np.float64).reshape(count, days) / 10.0
    weather = xr.Dataset(
        {
            name: (("divide_id", "time"), values + place, {"units": unit})
            for place, (name, unit) in enumerate((("P", "mm/d"), ("T", "degC")))
        },
        {"divide_id": [f"cat-{i}" for i in range(count)], "time": ("time", np.arange(days), {"units": "days since 2001-02-27"})},
    )
    weather.to_netcdf(tmp_path / "weather.nc")
    forcing = UnitForcing(tmp_path / "weather.nc", {"P": "P", "T": "T"})
    units = np.array([59, 0, 31, 0, 2])
    expected = np.stack([values[units, 1:4].T, values[units, 1:4].T + 1.0], axis=-1)
    assert np.array_equal(forcing.read(slice(1, 4), units), expected)
    assert [str(day) for day in forcing.dates[[0, -1]]] == ["2001-02-27", "2001-03-03"]


def test_batches_are_cut_by_a_cap() -> None:
    """No batch has more units than the cap, each is the beginning of what was drawn, and epochs have as many more batches."""
    observed, counts = np.ones((1000, 6)), np.array([1, 2, 3, 5, 8, 10])
    plain, cut = (WindowSampler(observed, 0, 999, np.random.default_rng(4), basins=6, days=50, warm_up=10) for _ in range(2))
    capped = CappedSampler(cut, counts, 12)
    sizes = set()
    for _ in range(50):
        drawn, batch = plain.draw(), capped.draw()
        kept = len(batch.basins)
        assert 1 <= kept <= 6
        assert counts[batch.basins].sum() <= 12
        assert kept == 6 or counts[drawn.basins[: kept + 1]].sum() > 12
        assert np.array_equal(drawn.basins[:kept], batch.basins)
        assert np.array_equal(drawn.starts[:kept], batch.starts)
        sizes.add(kept)
    assert len(sizes) > 1
    assert capped.iterations == -(-plain.iterations * 6 * 29 // (6 * 12))


def test_gauges_are_validated_in_blocks(tmp_path: Path) -> None:
    """Blocks are bounded by the units of their gauges, and together they are all gauges in order."""
    make_files().write(tmp_path)
    material = load_gauge_material(unit_experiment(tmp_path, data={"units_per_batch": 4}))
    assert [block.tolist() for block in material.blocks(np.arange(4))] == [[0, 1, 2], [3]]
    assert [block.tolist() for block in material.blocks(np.array([3, 1]))] == [[3], [1]]
    assert material.blocks(np.arange(0)) == []


def test_settings_are_told_from_those_of_basins(tmp_path: Path) -> None:
    """Data that name units are read as such, written and read back, with relative paths beside the file; slips are named."""
    make_files().write(tmp_path)
    document = unit_document(tmp_path, channels={"per": "gauge", "attributes": ["size"]})
    document["data"] = {key: Path(value).name for key, value in document["data"].items()}
    (tmp_path / "experiment.yaml").write_text(yaml.safe_dump(document))
    experiment = read_experiment(tmp_path / "experiment.yaml")
    assert isinstance(experiment.data, UnitDataSettings)
    assert experiment.data.forcing == tmp_path / "forcing.nc"
    write_experiment(tmp_path / "copy.yaml", experiment)
    assert read_experiment(tmp_path / "copy.yaml") == experiment
    assert experiment_of(document_of(experiment), "again") == experiment


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": {"unit_per_batch": 3}}, "unknown key 'data.unit_per_batch'; did you mean 'units_per_batch'"),
        ({"data": {"units_per_batch": 0}}, "data.units_per_batch is 0, expected at least 1"),
        ({"data": {"pet_method": "guess"}}, "data.pet_method is 'guess', expected one of hargreaves"),
        ({"channels": {"per": "unit"}}, "channels"),
        ({"channels": {"per": "pair"}}, "channels: a way for each pair needs attributes"),
        ({"channels": {"hidden_size": 0}}, "channels: hidden_size is 0, expected at least 1"),
        ({"channels": {"attributs": ["size"]}}, "unknown key 'channels.attributs'; did you mean 'attributes'"),
    ],
)
def test_slips_in_settings_are_named(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    """Keys and values that are none are refused with the file."""
    with pytest.raises(ConfigError) as caught:
        unit_experiment(tmp_path, **changes)
    assert message in str(caught.value)


def test_a_missing_part_of_the_data_is_named(tmp_path: Path) -> None:
    """Data of units that lack the forcing are not taken for data of basins; channels need units."""
    document = unit_document(tmp_path)
    del document["data"]["forcing"]
    with pytest.raises(ConfigError, match=r"made: key 'data.forcing' is missing"):
        experiment_of(document, "made")
    with pytest.raises(ConfigError, match="channels lead flow of units to gauges"):
        experiment_of(make_document(channels={"per": "gauge"}), "made")


Change = Callable[[UnitFiles], object]


def set_value(rows: str, place: int, key: str, value: Any) -> Change:
    """Make a change of one cell of a table."""
    return lambda files: getattr(files, rows)[place].update({key: value})


def scale_flow(factor: float) -> Change:
    """Make a change of the flow of gauge 03."""
    return lambda files: files.flow.update({"03[mm d-1]": files.flow["03[mm d-1]"] * factor})


def rename_flow(header: str) -> Change:
    """Make a change of the header of gauge 03."""
    return lambda files: files.flow.update({header: files.flow.pop("03[mm d-1]")})


def change_forcing(change: Callable[[xr.Dataset], xr.Dataset]) -> Change:
    """Make a change of the weather."""

    def apply(files: UnitFiles) -> None:
        files.forcing = change(files.forcing)

    return apply


def with_gap(forcing: xr.Dataset) -> xr.Dataset:
    """Let one value of the weather be missing."""
    forcing = forcing.copy(deep=True)
    forcing["tmean"].loc[{"unit_id": "00000003"}][700] = np.nan
    return forcing


def without_days(forcing: xr.Dataset) -> xr.Dataset:
    """Leave out a day."""
    return forcing.isel(time=[day for day in range(4 * YEAR) if day != 600])


def with_attrs(name: str, **attributes: Any) -> Change:
    """Make a change of the attributes of a variable of the weather."""
    return change_forcing(lambda forcing: forcing.assign({name: forcing[name].assign_attrs(attributes)}))


CASES: list[tuple[Change, dict[str, Any], str]] = [
    (change_forcing(lambda f: f.isel(unit_id=[1, 3])), {}, "forcing.nc: 2 of 4 units are not there: 00000001, 00000003"),
    (lambda f: f.gauges.append({**f.gauges[0], "gauge_id": "05"}), {}, "pairs.csv: gauge 05 has no units"),
    (lambda f: f.pairs.append({**f.pairs[0], "gauge_id": "05"}), {}, "pairs.csv: gauge 05 is not among the 4 gauges"),
    (lambda f: f.pairs.append({**f.pairs[0], "unit_id": "9"}), {}, "pairs.csv: gauge 01 has the unit 9, which is not among the 4 units"),
    (lambda f: f.pairs.append(f.pairs[0]), {}, "pairs.csv: gauge 01: unit 00000001 stands there twice"),
    (lambda f: f.units.append(f.units[1]), {}, "units.csv: unit_id must name each catchment once, but 00000002"),
    (lambda f: f.gauges.append(f.gauges[1]), {}, "gauges.csv: gauge_id must name each catchment once, but 02"),
    (change_forcing(lambda f: f.isel(unit_id=[0, 1, 2, 3, 1])), {}, "forcing.nc: unit_id: ids stand there more than once: 00000002"),
    (set_value("units", 2, "area_km2", 0), {}, "units.csv: unit 00000003 has an area of 0 km²"),
    (set_value("units", 2, "area_km2", "nan"), {}, "units.csv: unit 00000003 has an area of nan km²"),
    (set_value("units", 2, "area_km2", -1), {}, "units.csv: unit 00000003 has an area of -1 km²"),
    (set_value("units", 1, "aridity", ""), {}, "catchment 00000002 ({folder}/units.csv): attribute aridity is nan"),
    (set_value("units", 1, "aridity", "dry"), {}, "units.csv: line 3, aridity is 'dry', expected a number"),
    (set_value("gauges", 2, "area_km2", 9000.0), {}, "gauges.csv: gauge 03 drains 9000 km², but its units have"),
    (rename_flow("03[furlong]"), {}, "flow.csv: 03 has the unit 'furlong', which is no flow"),
    (rename_flow("03"), {}, "flow.csv: the header '03' must name a catchment and the unit"),
    (scale_flow(40.0), {}, "flow.csv: basin 03: more than 5 times the precipitation runs off"),
    (scale_flow(1e5), {}, "flow.csv: 03: flow is"),
    (lambda f: f.flow.update({f"x{name}": f.flow.pop(name) for name in list(f.flow)}), {}, "flow.csv: none of its catchments"),
    (with_attrs("prcp", units="m/s"), {}, "forcing.nc: variable prcp is in 'm/s', expected 'mm/d'"),
    (with_attrs("tmean", units="K"), {}, "forcing.nc: variable tmean is in 'K', expected 'degC'"),
    (change_forcing(lambda f: f.drop_vars("PET")), {}, "forcing.nc: no variable 'PET' for PET; it has"),
    (change_forcing(with_gap), {}, "forcing.nc: basin 00000003, 2001-12-01: temperature is nan degC; a value for every day is needed"),
    (change_forcing(without_days), {}, "forcing.nc: time: 2001-08-22 is followed by 2001-08-24"),
    (
        lambda f: None,
        {"split": {"train": ["1998-01-01", "2001-01-01"], "validation": ["2002-01-01", "2003-01-01"]}},
        "the data have 2000-01-01 to 2003-12-30, not all of 1998-01-01 to 2001-01-01",
    ),
    (
        lambda f: None,
        {"data": {"units_per_batch": 3}},
        "gauges.csv: gauge 04 has 4 units, more than a batch may have (data.units_per_batch is 3)",
    ),
    (
        lambda f: None,
        {"data": {"variables": {"rain": "prcp"}}},
        "data.variables: rain is no forcing of the process model; it has P, T, PET",
    ),
    (lambda f: None, {"data": {"variables": {"P": 3}}}, "data.variables.P is 3, expected the name of a variable"),
    (lambda f: None, {"attributes": ["aridity", "slop"]}, "units.csv: there is no column slop; it has unit_id, area_km2, aridity"),
    (lambda f: None, {"channels": {"attributes": ["width"]}}, "gauges.csv: there is no column width"),
    (
        set_value("gauges", 1, "size", ""),
        {"channels": {"attributes": ["size"]}},
        "catchment 02 ({folder}/gauges.csv): attribute size is nan",
    ),
    (lambda f: None, {"model": {**make_document()["model"], "physics": "Hbv_2_hourly"}}, "model.physics: Hbv_2_hourly steps by the hour"),
    (lambda f: None, {"data": {"forcing": "outside"}}, "outside: cannot be read as NetCDF or Zarr"),
]


@pytest.mark.parametrize(("change", "settings", "message"), CASES)
def test_what_is_wrong_is_named_before_any_training(change: Change, settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    """File, unit or gauge, value and what would be right stand in the message, and no folder of a training has been begun."""
    files = make_files()
    change(files)
    files.write(tmp_path)
    with pytest.raises(DmgError) as caught:
        train(unit_experiment(tmp_path, **settings), tmp_path / "run")
    assert re.sub(rf"^{re.escape(str(tmp_path))}/", "", str(caught.value)).startswith(message.format(folder=tmp_path))
    assert not (tmp_path / "run").exists()


def test_labels_are_words_that_are_known(tmp_path: Path) -> None:
    """A gauge that is called otherwise than train, validation or test is named."""
    files = make_files()
    files.gauges[1]["role"] = "calibration"
    files.write(tmp_path)
    split = {**make_document()["split"], "name": "labels", "column": "role"}
    with pytest.raises(ConfigError, match=r"gauges.csv: role of basin 02 is 'calibration', expected one of train, validation, test"):
        load_gauge_material(unit_experiment(tmp_path, split=split))


def test_areas_may_disagree_where_it_is_allowed(tmp_path: Path) -> None:
    """A larger tolerance takes a gauge whose units have another area."""
    files = make_files()
    files.gauges[2]["area_km2"] *= 1.3
    files.write(tmp_path)
    with pytest.raises(DmgError, match=r"allow more by data.area_tolerance"):
        load_gauge_material(unit_experiment(tmp_path))
    assert load_gauge_material(unit_experiment(tmp_path, data={"area_tolerance": 0.3})).ids == ("01", "02", "03", "04")


def test_volumes_are_spread_over_the_units(tmp_path: Path) -> None:
    """Flow in m³/s becomes mm/d over the area of the units, so that it is the flow that was written as a depth."""
    files = make_files()
    files.write(tmp_path)
    depth = load_gauge_material(unit_experiment(tmp_path)).learned
    areas = [gauge["area_km2"] for gauge in files.gauges]
    files.flow = {f"{name[:2]}[m3 s-1]": values * area / 86.4 for (name, values), area in zip(files.flow.items(), areas, strict=True)}
    files.write(tmp_path)
    np.testing.assert_allclose(load_gauge_material(unit_experiment(tmp_path)).learned, depth, rtol=1e-12)


def test_a_network_in_tables_will_do(tmp_path: Path) -> None:
    """Without a table of pairs, units that drain into each other and gauges that stand in them say the same."""
    files = make_files()
    files.write(tmp_path)
    expected = load_gauge_material(unit_experiment(tmp_path)).membership
    below = {"00000001": "00000003", "00000003": "00000004", "00000002": "00000004", "00000004": ""}
    for row in files.units:
        row["downstream"] = below[row["unit_id"]]
    for row, unit in zip(files.gauges, ("00000001", "00000002", "00000003", "00000004"), strict=True):
        row["unit_id"] = unit
    files.write(tmp_path)
    document = unit_document(tmp_path)
    del document["data"]["membership"]
    found = load_gauge_material(experiment_of(document, "made")).membership
    assert (found.gauges, found.units) == (expected.gauges, expected.units)
    assert np.array_equal(found.members, expected.members)
    document["channels"] = {"per": "pair", "attributes": ["length_km"]}
    with pytest.raises(ConfigError, match=r"channels read length_km of a table of pairs \(gauge_id, unit_id\), and none is named"):
        load_gauge_material(experiment_of(document, "made"))


def test_hardly_any_flow_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Flow in a unit a thousand times larger than stated stands out, with its gauge; flow as it is does not."""
    files = make_files()
    files.write(tmp_path)
    load_gauge_material(unit_experiment(tmp_path))
    assert "thousandth" not in caplog.text
    scale_flow(1e-4)(files)
    files.write(tmp_path)
    load_gauge_material(unit_experiment(tmp_path))
    assert "flow.csv: at 1 of 4 gauges less than a thousandth of the precipitation runs off, at 03" in caplog.text
