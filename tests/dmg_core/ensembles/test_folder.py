"""Tests of folders of ensembles: made, read, refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from bmi_dmg.checking.model_facts import read_model_facts
from bmi_dmg.cli.main import app
from dmg_core.checkpoint import is_ensemble_folder, members_of, read_ensemble, write_ensemble
from dmg_core.ensembles import EnsembleEngine, require_members
from dmg_core.errors import CheckpointError, DmgError
from dmg_core.models import PROCESS_MODELS
from dmg_core.sharing import open_engine
from tests.dmg_core.ensembles.factories import write_any, write_members, write_small_ensemble
from tests.dmg_core.factories import MOMENTS, write_model


def changed(folder: Path, **keys: Any) -> Path:
    """Change the config of a folder; None removes a key."""
    config = folder / "config.yaml"
    document = yaml.safe_load(config.read_text()) | keys
    config.write_text(yaml.safe_dump({key: value for key, value in document.items() if value is not None}))
    return folder


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Names of folders, normalised weights, and the members themselves; other folders are no ensembles, and their own only member."""
    folder = write_small_ensemble(tmp_path, (1.0, 2.0, 5.0))
    ensemble = read_ensemble(folder)
    assert ensemble.names == ("hbv-2", "hbv.1.1p", "lstm")
    assert ensemble.weights == (0.125, 0.25, 0.625)
    assert members_of(folder) == tuple(zip((folder / name for name in ensemble.names), ensemble.weights, strict=True))
    assert is_ensemble_folder(folder)
    assert not is_ensemble_folder(folder / "lstm")
    assert not is_ensemble_folder(tmp_path)
    assert members_of(folder / "lstm") == ((folder / "lstm", 1.0),)


def test_members_need_attributes_of_all(tmp_path: Path) -> None:
    """What the tools around a run know of an ensemble is the union of its members' needs."""
    facts = read_model_facts(write_small_ensemble(tmp_path))
    assert facts.attributes == ("aridity", "uparea", "meanslope", "meanelevation", "forest")
    assert [forcing.name for forcing in facts.process.forcings] == ["P", "T", "PET"]
    assert facts.needs_series
    assert not facts.own
    assert facts.routes


def test_an_attribute_is_in_range_where_all_members_have_seen_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A catchment that one member has seen nothing like is told, whichever member is named first."""
    monkeypatch.setitem(MOMENTS, "aridity", (1.0, 0.5))
    wide = write_any(tmp_path / "wide", "none")
    monkeypatch.setitem(MOMENTS, "aridity", (1.5, 0.25))
    narrow = write_any(tmp_path / "narrow", "none")
    for members in ([wide, narrow], [narrow, wide]):
        seen = read_model_facts(write_ensemble(tmp_path / members[0].name / "both", members).folder).training_ranges["aridity"]
        assert (seen.low, seen.high) == (0.5, 2.5)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"members": ["lstm"]}, "members is .* expected the names of two or more folders"),
        ({"members": ["lstm", "lstm"]}, "listed twice: lstm"),
        ({"members": ["lstm", "../lstm"]}, r"'\.\./lstm' is no name of a member"),
        ({"members": ["lstm", "gone"]}, "the member 'gone' is missing"),
        ({"members": "lstm"}, "expected a list of names"),
        ({"weights": [1.0, 2.0]}, "weights is .* expected 3 positive numbers"),
        ({"weights": [1.0, 2.0, 0.0]}, r"weights\[2\] is 0.0, expected a positive number"),
        ({"weights": [1.0, 2.0, float("nan")]}, r"weights\[2\] is nan, expected a positive number"),
        ({"weights": [1.0, 2.0, 1e-9]}, "weights of next to nothing"),
        ({"wieghts": [1.0, 2.0, 3.0]}, "unknown key 'wieghts'; did you mean 'weights'"),
        ({"digests": {}}, "key 'digests.hbv-2' is missing"),
    ],
)
def test_wrong_configs_are_refused(tmp_path: Path, keys: dict[str, Any], message: str) -> None:
    """File and key are named, and what would be right."""
    folder = write_small_ensemble(tmp_path)
    with pytest.raises(CheckpointError, match=message) as refusal:
        read_ensemble(changed(folder, **keys))
    assert str(folder / "config.yaml") in str(refusal.value)


def test_a_changed_member_is_refused(tmp_path: Path) -> None:
    """One weight more or less, or another setting, is another ensemble."""
    folder = write_small_ensemble(tmp_path)
    changed(folder / "hbv-2", test={"test_epoch": 1, "more": 1})
    with pytest.raises(CheckpointError, match="hbv-2: this member has changed since the ensemble was made"):
        open_engine(folder)


def test_an_ensemble_is_made_whole_or_not_at_all(tmp_path: Path) -> None:
    """Nothing is left where members are wrong or there is something already."""
    members = write_members(tmp_path / "members")
    small = write_ensemble(tmp_path / "small", members[1:]).folder
    wrong: list[tuple[Path, list[Path], Any, str]] = [
        (tmp_path / "out", members[:1], None, "an ensemble needs two members or more, found 1"),
        (tmp_path / "out", members, (1.0, 2.0), "2 weights for 3 members"),
        (tmp_path / "out", members, (1.0, 2.0, -1.0), r"out/config.yaml: weights\[2\] is -1.0, expected a positive number"),
        (tmp_path / "out", [*members, small], None, "small: is an ensemble itself; name its members instead"),
        (tmp_path / "out", [*members, tmp_path], None, "expected the folder of one model, with config.yaml"),
        (small, members, None, "small: is there already"),
    ]
    for out, given, weights, message in wrong:
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(CheckpointError, match=message):
            write_ensemble(out, given, weights)
        assert sorted(tmp_path.rglob("*")) == before
    assert write_ensemble(tmp_path / "twins", [members[0], members[0]]).names == ("hbv-2", "hbv-2-2")


def refused(place: Path, *members: Path) -> str:
    """Give the message by which members are refused, when an ensemble is made of them, and leave nothing."""
    with pytest.raises(DmgError) as refusal:
        write_ensemble(place / "out", members, check=require_members)
    assert not (place / "out").exists()
    return str(refusal.value)


def test_members_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    """Time steps, evapotranspiration, regions and units must be alike; members and values are named."""
    daily = write_model(tmp_path / "daily", "Hbv_2")
    hourly = write_model(tmp_path / "hourly", "Hbv_2_hourly")
    damaged = write_any(tmp_path / "damaged", "none")
    (damaged / "none_ep1.safetensors").write_bytes(b"damaged")
    assert refused(tmp_path, daily, damaged).startswith(f"{damaged}/none_ep1.safetensors: not a readable file of weights")
    assert "one and the same steps a day; found 1 in daily, 24 in hourly" in refused(tmp_path, daily, hourly)
    ours, theirs = (write_any(tmp_path / method, "none", pet_method=method, seed=3) for method in ("hargreaves", "penman_monteith"))
    assert "hargreaves (hargreaves), penman_monteith (penman_monteith)" in refused(tmp_path, ours, theirs)
    kelvin = write_any(tmp_path / "kelvin", "none", seed=4)
    file = kelvin / "normalization_statistics.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"T": [270.0, 300.0, 285.0, 9.0]}))
    message = refused(tmp_path, ours, kelvin)
    assert "forcing T was 0 to 10 in the training of hargreaves, 270 to 300 in that of kelvin" in message


def test_members_of_other_units_and_forcings(tmp_path: Path) -> None:
    """Forcings are the union of the members'; one of a name in two units is refused, and so are main outputs that differ."""
    from tests.dmg_core.test_any_model import DegreeDays, FourForcings

    class Fahrenheit(FourForcings):
        forcings = tuple(type(one)(one.name, "degF" if one.name == "T" else one.unit, one.aggregate) for one in FourForcings.forcings)

    kinds = {"FourForcings": FourForcings, "Fahrenheit": Fahrenheit, "DegreeDays": DegreeDays}
    for name, kind in kinds.items():
        PROCESS_MODELS.register(name)(kind)
    try:
        lstm = write_any(tmp_path / "lstm", "none")
        four, other, melt = (write_any(tmp_path / name, name) for name in kinds)
        engine = open_engine(write_ensemble(tmp_path / "out", [four, lstm]).folder)
        assert isinstance(engine, EnsembleEngine)
        assert [one.name for one in engine.model.physics.process.forcings] == ["P", "T", "humidity", "wind", "PET"]
        assert "T is mean of T in degC" in refused(tmp_path / "a", four, other)
        assert "main output; found streamflow in lstm, potential_melt in DegreeDays" in refused(tmp_path / "b", lstm, melt)
    finally:
        for name in kinds:
            PROCESS_MODELS._entries.pop(name)


def test_the_command_makes_a_folder_and_tells_errors(tmp_path: Path) -> None:
    """It prints the folder; a training stands for its model; what is wrong is a message, and leaves nothing."""
    write_model(tmp_path / "seed-0" / "model", "Hbv_2")
    write_model(tmp_path / "seed-1" / "model", "Hbv_2", seed=1)
    command = ["ensemble", str(tmp_path / "seed-0"), str(tmp_path / "seed-1"), "--out", str(tmp_path / "both")]
    made = CliRunner().invoke(app, command)
    assert made.exit_code == 0, made.output
    assert str(tmp_path / "both") in made.output
    assert read_ensemble(tmp_path / "both").names == ("seed-0", "seed-1")
    again = CliRunner().invoke(app, command)
    assert again.exit_code == 1
    assert "is there already" in again.output
    assert isinstance(again.exception, SystemExit)


def test_one_model_is_asked_for_where_an_ensemble_cannot_be(tmp_path: Path) -> None:
    """Reading an ensemble as one model says what it is."""
    from dmg_core import load_model

    with pytest.raises(CheckpointError, match=r"is an ensemble of hbv-2, hbv\.1\.1p, lstm; name one of its members"):
        load_model(write_small_ensemble(tmp_path))
