"""Tests of dmg_core.checkpoint: configs and statistics that do not fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from dmg_core.checkpoint import read_checkpoint
from dmg_core.errors import CheckpointError

if TYPE_CHECKING:
    from tests.dmg_core.conftest import ModelFolder


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model: [", r"config\.yaml: is not YAML: .*line [12]"),
        ("- a\n- b", r"config\.yaml is \['a', 'b'\], expected keys and values"),
        ("", r"config\.yaml is None, expected keys and values"),
        ("model: HBV", r"config\.yaml: model is 'HBV', expected keys and values"),
        ("{}", r"config\.yaml: key 'model' is missing \(in older files dpl_model\)"),
        ("{model: {nn: {}}}", r"config\.yaml: key 'model\.phy' is missing \(in older files phy_model\)"),
        ("{model: {phy: {nmul: 4}}}", r"config\.yaml: key 'model\.phy\.name' is missing \(in older files model\)"),
        ("{dpl_model: {phy_model: {nmul: 4}}}", r"config\.yaml: key 'dpl_model\.phy_model\.name' is missing"),
        ("{model: {}, dpl_model: {}}", r"config\.yaml: model and dpl_model are spellings of the same key"),
    ],
)
def test_config_that_is_no_config(hbv20_folder: ModelFolder, text: str, message: str) -> None:
    """What is not YAML, not a mapping or lacks a section is an error that names the file and the key path."""
    folder = hbv20_folder.write()
    (folder / "config.yaml").write_text(text)
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(folder)


def test_config_that_is_no_text(hbv20_folder: ModelFolder) -> None:
    """Bytes that are not UTF-8 are an error that names the file."""
    folder = hbv20_folder.write()
    (folder / "config.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CheckpointError, match=r"config\.yaml: cannot be read as a model's configuration"):
        read_checkpoint(folder)


def _phy(key: str, value: Any) -> Callable[[ModelFolder], None]:
    return lambda folder: folder.phy.__setitem__(key, value)


def _nn(key: str, value: Any) -> Callable[[ModelFolder], None]:
    return lambda folder: folder.nn.__setitem__(key, value)


def _top(key: str, value: Any) -> Callable[[ModelFolder], None]:
    return lambda folder: folder.config.__setitem__(key, value)


KNOWN_MODELS = "known are Hbv, Hbv_1_1p, Hbv_2, Hbv_2_hourly, Hbv_2_1_hourly"
KNOWN_NETWORKS = "known are LstmModel, LstmMlpModel"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_phy("name", ["Hbv_3"]), rf"model\.phy\.name: the model 'Hbv_3' is not known; {KNOWN_MODELS}"),
        (_phy("name", ["Hbv_2_mts"]), r"model\.phy\.name: Hbv_2_mts is two coupled models, .*expected one model: Hbv, Hbv_1_1p, Hbv_2, "),
        (_phy("name", ["Hbv_2", "Hbv"]), r"model\.phy\.name: expected one model, found 2 \(Hbv_2, Hbv\)"),
        (_phy("name", []), r"model\.phy\.name: expected one model, found 0"),
        (_phy("name", 2), r"model\.phy\.name is 2, expected a list of names"),
        (
            lambda folder: folder.phy.__setitem__("near_zero", folder.phy.pop("nearzero")),
            r"unknown key 'model\.phy\.near_zero'; did you mean 'nearzero'\?",
        ),
        (_top("observations", {"pet_methd": "hargreaves"}), r"unknown key 'observations\.pet_methd'; did you mean 'pet_method'\?"),
        (_phy("nmul", "four"), r"model\.phy\.nmul is 'four', expected a whole number"),
        (_phy("nmul", True), r"model\.phy\.nmul is True, expected a whole number"),
        (_phy("routing", 1), r"model\.phy\.routing is 1, expected true or false"),
        (_phy("nearzero", "tiny"), r"model\.phy\.nearzero is 'tiny', expected a positive number"),
        (_phy("nearzero", 0), r"model\.phy\.nearzero is 0, expected a positive number"),
        (_phy("nearzero", [1e-5]), r"model\.phy\.nearzero is \[1e-05\], expected a positive number"),
        (_phy("dynamic_params", None), r"key 'model\.phy\.dynamic_params' is missing"),
        (_phy("dynamic_params", ["parBETA"]), r"model\.phy\.dynamic_params is \['parBETA'\], expected keys and values, with names as keys"),
        (_phy("dynamic_params", {"Hbv": []}), r"model\.phy\.dynamic_params: expected one entry for the model Hbv_2, found Hbv$"),
        (_phy("dynamic_params", {"Hbv_2": [], "HBV_2_0": []}), r"expected one entry for the model Hbv_2, found HBV_2_0, Hbv_2"),
        (_phy("dynamic_params", {"Hbv_2": ["parX"]}), r"model\.phy\.dynamic_params\.Hbv_2: .*'parX' is not one of parBETA, parFC"),
        (
            _phy("dynamic_params", {"Hbv_2": ["parK0", "parK0"]}),
            r"model\.phy\.dynamic_params\.Hbv_2 is .*, expected each name once; listed twice: parK0",
        ),
        (_phy("dynamic_params", {"Hbv_2": None}), r"model\.phy\.dynamic_params\.Hbv_2: .*at least one dynamic parameter, found none"),
        (_phy("forcings", ["P", "T"]), r"model\.phy\.forcings is \['P', 'T'\], expected precipitation, temperature, PET "),
        (_phy("use_log_norm", ["P"]), r"model\.use_log_norm: \[\] contradicts model\.phy\.use_log_norm: \['P'\]"),
        (_nn("name", "MambaModel"), rf"model\.nn\.name: the network 'MambaModel' is not known; {KNOWN_NETWORKS}"),
        (_nn("name", "StackLstmMlpModel"), rf"model\.nn\.name: the network 'StackLstmMlpModel' is not known; {KNOWN_NETWORKS}"),
        (_nn("name", "LstmModel"), r"model\.nn\.name: the model Hbv_2 needs the network LstmMlpModel, found 'LstmModel'"),
        (_nn("name", ["LstmMlpModel"]), r"model\.nn\.name is \['LstmMlpModel'\], expected text"),
        (
            _nn("forcings", ["rain", "T", "PET"]),
            r"model\.nn\.forcings is \['rain', 'T', 'PET'\], expected .*\(P or prcp; T or Temp or tmean; PET\)",
        ),
        (_nn("forcings", ["T", "Temp", "PET"]), r"model\.nn\.forcings is .*, expected precipitation, temperature, PET"),
        (_nn("attributes", None), r"key 'model\.nn\.attributes' is missing"),
        (_nn("attributes", ["aridity", "aridity"]), r"model\.nn\.attributes is .*, expected each name once; listed twice: aridity"),
        (_nn("lstm_hidden_size", 64.0), r"model\.nn\.lstm_hidden_size is 64\.0, expected a whole number"),
        (_nn("model", "LstmMlpModel"), r"model\.nn: name and model are spellings of the same key"),
        (_top("test", {"test_epoch": "last"}), r"test\.test_epoch is 'last', expected a whole number"),
        (_top("observations", {"upstream_area_name": 3}), r"observations\.upstream_area_name is 3, expected text"),
    ],
)
def test_bad_values_in_the_config(hbv20_folder: ModelFolder, change: Callable[[ModelFolder], None], message: str) -> None:
    """A value that is unknown, not supported or of the wrong kind is an error that names file, key, expected and found."""
    change(hbv20_folder)
    with pytest.raises(CheckpointError, match=rf"config\.yaml: .*{message}"):
        read_checkpoint(hbv20_folder.write())


def test_forcings_missing_everywhere(hbv20_folder: ModelFolder) -> None:
    """Forcings may stand with the network or with the physical model, but must stand somewhere."""
    del hbv20_folder.nn["forcings"]
    assert read_checkpoint(hbv20_folder.write()).settings.forcings == ("P", "T", "PET")
    del hbv20_folder.phy["forcings"]
    with pytest.raises(CheckpointError, match=r"config\.yaml: key 'model\.nn\.forcings' is missing"):
        read_checkpoint(hbv20_folder.write())


def test_log_norm_of_something_that_is_no_input(hbv20_folder: ModelFolder) -> None:
    """A log-normalised variable must be an input of the network."""
    hbv20_folder.config["model"]["use_log_norm"] = ["P", "slope"]
    with pytest.raises(CheckpointError, match=r"model\.use_log_norm: expected forcings or attributes of the network, found slope"):
        read_checkpoint(hbv20_folder.write())


@pytest.mark.parametrize(("text", "message"), [("{", r"is not JSON"), ("[1]", r"json is \[1\], expected keys and values")])
def test_statistics_that_are_no_table(hbv20_folder: ModelFolder, text: str, message: str) -> None:
    """What is not JSON, or not an object, is an error that names the file."""
    folder = hbv20_folder.write()
    (folder / "normalization_statistics.json").write_text(text)
    with pytest.raises(CheckpointError, match=rf"normalization_statistics\.(json: )?{message}"):
        read_checkpoint(folder)


def test_all_missing_statistics_are_listed(hbv20_folder: ModelFolder) -> None:
    """Forcings and attributes without statistics are all named in one error; the multi-timescale layout has none of them."""
    for name in ("T", "meanP", "uparea"):
        del hbv20_folder.statistics[name]
    with pytest.raises(
        CheckpointError, match=r"statistics\.json: no statistics for T, meanP, uparea; expected one row \[p10, p90, mean, std\]"
    ):
        read_checkpoint(hbv20_folder.write())
    hbv20_folder.statistics = {"mean": {"dyn_input": [1.0]}, "std": {"dyn_input": [1.0]}}
    with pytest.raises(CheckpointError, match=r"no statistics for P, T, PET, aridity, meanP, meanelevation, uparea"):
        read_checkpoint(hbv20_folder.write())


@pytest.mark.parametrize(
    "row", [[1.0, 2.0, 3.0], [0.0, 1.0, 2.0, 3.0, 4.0], [0.0, 1.0, float("nan"), 1.0], [0.0, 1.0, 2.0, -1.0], ["a", 1, 2, 3], 5.0, "abcd"]
)
def test_bad_rows_of_statistics(hbv20_folder: ModelFolder, row: object) -> None:
    """A row that is not four finite numbers with a standard deviation that is not negative is named with what it holds."""
    hbv20_folder.statistics["meanP"] = row
    expected = r"normalization_statistics\.json: meanP: expected \[p10, p90, mean, std\], finite and with std >= 0; found "
    with pytest.raises(CheckpointError, match=expected) as caught:
        read_checkpoint(hbv20_folder.write())
    assert str(caught.value).endswith(repr(json.loads(json.dumps(row))))


def test_rows_of_other_variables_do_not_matter(hbv20_folder: ModelFolder) -> None:
    """Only the model's own variables are looked at."""
    hbv20_folder.statistics["streamflow"] = [float("nan")]
    assert "streamflow" not in read_checkpoint(hbv20_folder.write()).statistics


def test_contradicting_spellings_in_the_statistics(hbv20_folder: ModelFolder) -> None:
    """A forcing that stands only under two other spellings is found if they agree, and an error if they do not."""
    row = hbv20_folder.statistics.pop("T")
    hbv20_folder.statistics |= {"Temp": row, "tmean": row}
    assert read_checkpoint(hbv20_folder.write()).settings.forcings == ("P", "Temp", "PET")
    hbv20_folder.statistics["tmean"] = [0.0, 0.0, 0.0, 1.0]
    with pytest.raises(CheckpointError, match=r"statistics\.json: no row T, and its other spellings Temp, tmean differ"):
        read_checkpoint(hbv20_folder.write())
