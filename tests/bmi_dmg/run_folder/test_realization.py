from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from bmi_dmg.run_folder.realization import read_realization
from dmg_core.errors import ConfigError

Change = Callable[[dict[str, Any]], None]


def params_of(content: dict[str, Any]) -> dict[str, Any]:
    """Params of the bmi_python module."""
    params = content["global"]["formulations"][0]["params"]
    return params["modules"][0]["params"] if "modules" in params else params


@pytest.mark.parametrize("multi", [True, False])
def test_both_forms_are_read_alike(make_run: Callable[..., Path], multi: bool) -> None:
    """A bmi_python alone and inside a bmi_multi give the same settings."""
    folder = make_run(multi=multi)
    realization = read_realization(folder)
    formulation = realization.formulation
    assert formulation.python_type == "recording_bmi.RecordingBmi"
    assert formulation.config_of("cat-7") == "./config/cat_config/fake/cat-7.yml"
    assert formulation.main_output_variable == "streamflow"
    assert formulation.variables_names_map["rain"] == "precip_rate"
    assert formulation.output_variables is None
    assert formulation.output_header_fields is None
    assert formulation.allow_exceed_end_time
    assert formulation.model_params == {}
    assert (realization.start, realization.end) == (datetime(2020, 2, 28, 22), datetime(2020, 2, 29, 2))
    assert realization.precision == 9


def test_paths_are_relative_to_the_run_folder(make_run: Callable[..., Path], tmp_path: Path) -> None:
    """Forcing, output and module paths resolve against the run folder, absolute ones stay."""

    def change(content: dict[str, Any]) -> None:
        params_of(content)["module_path"] = "./code"
        content["global"]["forcing"]["path"] = str(tmp_path / "elsewhere.nc")

    folder = make_run(change=change)
    realization = read_realization(folder)
    assert realization.formulation.module_path == folder / "code"
    assert realization.output_root == folder / "outputs" / "ngen"
    assert realization.forcing.path == tmp_path / "elsewhere.nc"


def test_the_step_at_the_end_time_is_counted(make_run: Callable[..., Path]) -> None:
    """From 22:00 to 02:00 there are five steps, as in ngen."""
    assert read_realization(make_run(hours=5)).n_steps == 5


def test_csv_forcing_has_a_pattern(make_run: Callable[..., Path]) -> None:
    """CsvPerFeature is read with its folder and file pattern."""
    folder = make_run(csv=True)
    forcing = read_realization(folder).forcing
    assert (forcing.provider, forcing.path, forcing.file_pattern) == ("CsvPerFeature", folder / "forcings", ".*{{id}}.*.csv")


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [("output", {"root": "./out/", "precision": 17}, ("out", 17)), ("output_root", "./out", ("out", 9))],
)
def test_both_spellings_of_the_output_folder(make_run: Callable[..., Path], key: str, value: Any, expected: tuple[str, int]) -> None:
    """The new key ``output`` and the old ``output_root`` are both known."""

    def change(content: dict[str, Any]) -> None:
        del content["output_root"]
        content[key] = value

    folder = make_run(change=change)
    realization = read_realization(folder)
    assert (realization.output_root, realization.precision) == (folder / expected[0], expected[1])


@pytest.mark.parametrize("place", ["outer", "inner"])
def test_output_columns_of_a_multi(make_run: Callable[..., Path], place: str) -> None:
    """Columns are taken from the bmi_multi and, if it names none, from its module."""

    def change(content: dict[str, Any]) -> None:
        outer = content["global"]["formulations"][0]["params"]
        target = outer if place == "outer" else params_of(content)
        target |= {"output_variables": ["streamflow"], "output_header_fields": ["q"]}

    formulation = read_realization(make_run(change=change)).formulation
    assert formulation.output_variables == ("streamflow",)
    assert formulation.output_header_fields == ("q",)


def test_settings_cannot_be_changed(make_run: Callable[..., Path]) -> None:
    """Settings are frozen."""
    realization = read_realization(make_run())
    with pytest.raises(dataclasses.FrozenInstanceError):
        realization.precision = 3  # type: ignore[misc]


@pytest.mark.parametrize(("extra", "named"), [("my_realization_2.json", "my_realization_2.json, realization.json"), (None, "none")])
def test_there_must_be_exactly_one_file(make_run: Callable[..., Path], extra: str | None, named: str) -> None:
    """None or two realizations are an error that names what was found."""
    config = make_run() / "config"
    if extra is None:
        (config / "realization.json").unlink()
    else:
        (config / extra).write_text("{}")
    with pytest.raises(ConfigError, match=f"exactly one .*realization.*json, found {named}"):
        read_realization(config.parent)


def test_a_folder_without_config_is_no_run_folder(tmp_path: Path) -> None:
    """A folder of another kind is called that."""
    with pytest.raises(ConfigError, match="not a run folder"):
        read_realization(tmp_path)


@pytest.mark.parametrize("text", ["{", "[1, 2]"])
def test_broken_json_names_the_file(make_run: Callable[..., Path], text: str) -> None:
    """What is not JSON, or no JSON object, is an error with the file's name."""
    folder = make_run()
    (folder / "config" / "realization.json").write_text(text)
    with pytest.raises(ConfigError, match=r"realization\.json(: is not JSON| is \[1, 2\], expected keys and values)"):
        read_realization(folder)


def _set(*place: str | int, value: Any) -> Change:
    def change(content: Any) -> None:
        for key in place[:-1]:
            content = content[key]
        content[place[-1]] = value

    return change


def _remove(*place: str | int) -> Change:
    def change(content: Any) -> None:
        for key in place[:-1]:
            content = content[key]
        del content[place[-1]]

    return change


def _rename(section: str, key: str, slip: str) -> Change:
    def change(content: Any) -> None:
        content[section][slip] = content[section].pop(key)

    return change


PARAMS = ("global", "formulations", 0, "params")
MODULE = (*PARAMS, "modules", 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_set(*MODULE, "name", value="bmi_fortran"), "'bmi_fortran' can only be run by ngen"),
        (_set("global", "formulations", 0, "name", value="bmi_c"), "'bmi_c' can only be run by ngen"),
        (_set(*PARAMS, "modules", value=[{}, {}]), r"modules is \[\{\}, \{\}\], expected a list of exactly one entry"),
        (_set("global", "formulations", value=[]), r"global\.formulations is \[\], expected a list of exactly one entry"),
        (_set("catchments", value={"cat-1": {}}), "'catchments' can only be run by ngen"),
        (_set("state_saving", value=[{"direction": "load"}]), "'state_saving' can only be run by ngen"),
        (_remove(*MODULE, "params", "python_type"), "python_type' is missing"),
        (_remove(*MODULE, "params", "init_config"), "init_config' is missing"),
        (_remove(*PARAMS, "main_output_variable"), "main_output_variable' is missing"),
        (_set(*MODULE, "params", "variables_names_map", value={}), "leave the key out"),
        (_set(*MODULE, "params", "uses_forcing_file", value=True), "uses_forcing_file is True, expected false"),
        (_set(*MODULE, "params", "model_params", value={"k": "fast"}), r"model_params\.k is 'fast', expected a number"),
        (_set(*MODULE, "params", "output_header_fields", value=["q"]), "one entry for each of output_variables"),
        (_set(*PARAMS, "allow_exceed_end_time", value="yes"), "allow_exceed_end_time is 'yes', expected true or false"),
        (_set("time", "output_interval", value=86400), "time.output_interval is 86400, expected 3600, because ngen steps"),
        (_set("time", "start_time", value="28.02.2020"), "time.start_time is '28.02.2020', expected the form 2000"),
        (_set("time", "end_time", value="2020-02-28 23:30:00"), "whole number of hours after start_time"),
        (_set("time", "end_time", value="2020-02-27 22:00:00"), "whole number of hours after start_time"),
        (_set("global", "forcing", "provider", value="CSV"), "global.forcing.provider is 'CSV', expected one of NetCDF, CsvPerFeature"),
        (_set("global", "forcing", value="./forcings.nc"), "global.forcing is './forcings.nc', expected keys and values"),
        (
            _remove("global", "forcing", "provider"),
            "global.forcing: provider is missing or CsvPerFeature: ngen would read forcings.nc as CSV",
        ),
        (_remove("time"), "'time' is missing"),
        (_rename("time", "output_interval", "output_intervall"), r"unknown key 'time\.output_intervall'; did you mean 'output_interval'\?"),
        (
            _set(*MODULE, "params", "model_parms", value={}),
            r"unknown key 'global\.formulations.*model_parms'; did you mean 'model_params'\?",
        ),
        (_set("global", "forcing", "provider", value=None), "global.forcing.provider is None, expected a value; leave the key out"),
        (_rename("global", "forcing", "forcings"), r"unknown key 'global\.forcings'; did you mean 'forcing'\?"),
    ],
)
def test_what_is_wrong_is_named(make_run: Callable[..., Path], change: Change, message: str) -> None:
    """Each mistake is an error that names the file and the key."""
    with pytest.raises(ConfigError, match=message) as caught:
        read_realization(make_run(change=change))
    assert "realization.json" in str(caught.value)


def test_csv_forcing_without_pattern_is_an_error(make_run: Callable[..., Path]) -> None:
    """CsvPerFeature needs a file pattern."""
    with pytest.raises(ConfigError, match="file_pattern' is missing"):
        read_realization(make_run(csv=True, change=_remove("global", "forcing", "file_pattern")))


@pytest.mark.parametrize("change", [_remove("global", "forcing", "provider"), _set("global", "forcing", "provider", value="")])
def test_a_provider_that_is_left_out_is_that_of_ngen(make_run: Callable[..., Path], change: Change) -> None:
    """Without a provider ngen takes CSV files, one per catchment."""
    folder = make_run(csv=True, change=change)
    forcing = read_realization(folder).forcing
    assert (forcing.provider, forcing.path, forcing.file_pattern) == ("CsvPerFeature", folder / "forcings", ".*{{id}}.*.csv")


def test_doubled_keys_are_refused(make_run: Callable[..., Path]) -> None:
    """Of two values of a key, of which ngen takes the first and Python the last, neither is taken."""
    path = make_run() / "config" / "realization.json"
    path.write_text(path.read_text().replace('"provider": "NetCDF"', '"provider": "NetCDF", "provider": "CsvPerFeature"'))
    with pytest.raises(ConfigError, match=r"realization\.json: .*the key 'provider' stands there twice"):
        read_realization(path.parents[1])


def test_model_params_are_kept(make_run: Callable[..., Path]) -> None:
    """Numbers and lists of numbers for the model are read."""
    change = _set(*MODULE, "params", "model_params", value={"k": 0.25, "layers": [1, 2.5]})
    assert json.loads(json.dumps(dict(read_realization(make_run(change=change)).formulation.model_params))) == {
        "k": 0.25,
        "layers": [1, 2.5],
    }
