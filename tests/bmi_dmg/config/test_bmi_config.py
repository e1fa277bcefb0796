from __future__ import annotations

import warnings
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
import yaml

from bmi_dmg.config import bmi_config as config_module
from bmi_dmg.config.bmi_config import BmiConfig, CheckpointSettings, SpinUpSettings, read_config
from dmg_core.errors import ConfigError
from dmg_core.validation import one_slip_apart

Writer = Callable[..., Path]


@pytest.fixture(autouse=True)
def _nothing_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget which keys have been warned of."""
    monkeypatch.setattr(config_module, "_warned", set())


@pytest.fixture
def read(tmp_path: Path) -> Callable[[str], BmiConfig]:
    """Give a reader of the text of a configuration whose other required keys are right."""

    def of(text: str) -> BmiConfig:
        (tmp_path / "model").mkdir(exist_ok=True)
        (tmp_path / "cat-7.yml").write_text(f"catchment_id: cat-7\nmodel_dir: model\n{text}\n", encoding="utf-8")
        return read_config(tmp_path / "cat-7.yml")

    return of


def _check(file: Path, names: tuple[str, ...] = ("aridity", "meanP", "meanelevation", "uparea")) -> dict[str, float]:
    return read_config(file).attributes(names)


# --- what is read ------------------------------------------------------------------------------------------------------------------------


def test_ngiab_file_is_read(shared: Path) -> None:
    """Every setting of a file that NGIAB wrote is found, and its attributes are left for the model to ask for."""
    folder = shared / "parity" / "bmi_dhbv_2"
    config = read_config(str(folder / "cat-88306.yml"))
    assert config.path == folder / "cat-88306.yml"
    assert config.catchment_id == "cat-88306"
    assert config.model_dir.resolve() == (folder / "model").resolve()
    assert (config.steps_per_day, config.start_time) == (1, datetime(2000, 1, 1))
    assert (config.pet_method, config.latitude) == ("hargreaves", 40.6)
    assert (config.dtype, config.device, config.backend) == ("float32", "cpu", "auto")
    assert {name: config.others[name] for name in ("permeability", "uparea", "snowfall_fraction")} == {
        "permeability": -15.05,
        "uparea": 3.254,
        "snowfall_fraction": 0.1049,
    }


def test_defaults(read: Callable[[str], BmiConfig]) -> None:
    """What a file leaves out is a daily model, Penman–Monteith, no latitude, float32, on the CPU, with the backend that fits."""
    config = read("start_time: 2000-01-01 00:00:00")
    assert (config.steps_per_day, config.pet_method, config.latitude) == (1, "penman_monteith", None)
    assert (config.dtype, config.device, config.backend) == ("float32", "cpu", "auto")


def test_state_defaults(read: Callable[[str], BmiConfig]) -> None:
    """What a file does not say of states: start from nothing, refuse missing weather, write no restart files."""
    config = read("start_time: 2000-01-01 00:00:00")
    assert (config.initial_state, config.cold_start_missing, config.checkpoint, config.missing_forcing) == (None, False, None, "error")
    assert read("start_time: 2000-01-01\ninitial_state: zero").initial_state is None


def test_state_settings_are_taken(write_config: Writer) -> None:
    """Where to start from, what to do where that has nothing, and when to write are read as they stand; some parts may be left out."""
    changes = {"initial_state": "/somewhere/states", "cold_start_missing": True, "missing_forcing": "hold"}
    config = read_config(write_config(checkpoint={"path": "states", "every": 6, "keep": 5}, **changes))
    assert (config.initial_state, config.cold_start_missing, config.missing_forcing) == (Path("/somewhere/states"), True, "hold")
    assert config.checkpoint == CheckpointSettings(Path("states"), every=6, keep=5)
    assert read_config(write_config(checkpoint={"path": "states"})).checkpoint == CheckpointSettings(Path("states"), every=24, keep=2)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("states", "checkpoint is 'states', expected keys and values"),
        ({}, "key 'checkpoint.path' is missing"),
        ({"every": 24}, "key 'checkpoint.path' is missing"),
        ({"path": "states", "evry": 24}, "unknown key 'checkpoint.evry'; did you mean 'every'?"),
        ({"path": "states", "colour": 24}, "unknown key 'checkpoint.colour'; known are path, every, keep"),
        ({"path": "states", "every": 0}, "checkpoint.every is 0, expected a whole number from 1"),
        ({"path": "states", "every": -1}, "checkpoint.every is -1, expected a whole number from 1"),
        ({"path": "states", "every": 1.5}, "checkpoint.every is 1.5, expected a whole number from 1"),
        ({"path": "states", "every": "24"}, "checkpoint.every is '24', expected a whole number from 1"),
        ({"path": "states", "every": True}, "checkpoint.every is True, expected a whole number from 1"),
        ({"path": "states", "keep": 0}, "checkpoint.keep is 0, expected a whole number from 1"),
        ({"path": None, "keep": 1}, "key 'checkpoint.path' is missing"),
        ({"path": 3}, "checkpoint.path is 3, expected a path"),
        (["states"], "checkpoint is ['states'], expected keys and values"),
        (True, "checkpoint is True, expected keys and values"),
    ],
    ids=str,
)
def test_checkpoint_that_makes_no_sense(write_config: Writer, value: object, message: str) -> None:
    """A checkpoint without a path, with unknown parts or with other numbers than whole ones from 1 is an error with file, key and value."""
    with pytest.raises(ConfigError) as caught:
        read_config(write_config(checkpoint=value))
    assert str(caught.value).endswith(f"cat-7.yml: {message}")


@pytest.mark.parametrize("value", ["yes, please", 1, "true", [True]])
def test_cold_start_is_yes_or_no(write_config: Writer, value: object) -> None:
    """Whether catchments may start from nothing is true or false and nothing like it."""
    with pytest.raises(ConfigError, match=r"cat-7\.yml: cold_start_missing is .*, expected true or false"):
        read_config(write_config(cold_start_missing=value))


def test_spinup_is_read(write_config: Writer, tmp_path: Path) -> None:
    """A spin-up has a file, in the working directory or beside the configuration, and 365 days unless it says otherwise."""
    assert read_config(write_config()).spinup is None
    assert read_config(write_config(spinup={"forcing": "weather.nc"})).spinup == SpinUpSettings(Path("weather.nc"), days=365)
    (tmp_path / "weather.nc").touch()
    file = write_config(tmp_path, spinup={"forcing": "weather.nc", "days": 30})
    assert read_config(file).spinup == SpinUpSettings(tmp_path / "weather.nc", days=30)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("weather.nc", "spinup is 'weather.nc', expected keys and values"),
        ({}, "key 'spinup.forcing' is missing"),
        ({"days": 3}, "key 'spinup.forcing' is missing"),
        ({"forcing": None}, "key 'spinup.forcing' is missing"),
        ({"forcing": "a.nc", "years": 1}, "unknown key 'spinup.years'; known are forcing, days"),
        *(({"forcing": "a", "days": d}, f"spinup.days is {d!r}, expected a whole number from 1") for d in (0, 1.5, "3", True)),
    ],
)
def test_spinup_that_makes_no_sense(write_config: Writer, value: object, message: str) -> None:
    """A spin-up without a file, with unknown parts or with other days than whole ones from 1 is an error with file, key and value."""
    with pytest.raises(ConfigError) as caught:
        read_config(write_config(spinup=value))
    assert str(caught.value).endswith(f"cat-7.yml: {message}")


def test_two_ways_to_start(write_config: Writer) -> None:
    """A catchment cannot start from a state and be spun up, too."""
    with pytest.raises(ConfigError, match=r"cat-7\.yml: initial_state and spinup both say how the catchment starts"):
        read_config(write_config(initial_state="states", spinup={"forcing": "weather.nc"}))


@pytest.mark.parametrize("key", ["initial_state", "cold_start_missing", "checkpoint", "missing_forcing", "spinup"])
def test_slips_in_state_keys(write_config: Writer, key: str) -> None:
    """A slip of the pen in a key of states or missing weather is found, so that no run starts cold, or unsaved, by accident."""
    slip = key[:-1]
    changes = {key: None} if key == "initial_state" else {}
    with pytest.raises(ConfigError, match=rf"unknown key '{slip}'; did you mean '{key}'\?"):
        read_config(write_config(**{slip: "states"}, **changes))


def test_all_settings_are_taken(write_config: Writer) -> None:
    """Settings that differ from the defaults are read as they stand."""
    config = read_config(write_config(physics="Hbv_2_hourly", catchment_id="cat-12", dtype="float64", backend="torch", device="meta"))
    assert (config.catchment_id, config.steps_per_day, config.pet_method) == ("cat-12", 24, "penman_monteith")
    assert (config.dtype, config.backend, config.device, config.latitude) == ("float64", "torch", "meta", 40.6)


def test_numbers_may_be_text(write_config: Writer) -> None:
    """Attributes and latitude that YAML takes for text, such as 1e-5, are numbers all the same."""
    file = write_config(aridity="1e-5", latitude="40.6")
    assert _check(file)["aridity"] == 1e-5
    assert read_config(file).latitude == 40.6


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("start_time: 2000-01-01 00:00:00", datetime(2000, 1, 1)),
        ("start_time: 2000/01/01 00", datetime(2000, 1, 1)),
        ("start_time: 2000/01/01 06", datetime(2000, 1, 1, 6)),
        ("start_time: '2000-02-29 23:00'", datetime(2000, 2, 29, 23)),
        ("start_time: 2000-02-29T23:00:00", datetime(2000, 2, 29, 23)),
        ("start_time: 2000-02-29", datetime(2000, 2, 29)),
        ("start_date: 2000/02/29", datetime(2000, 2, 29)),
        ("start_date: 2000/02/29\nstart_hour: 7", datetime(2000, 2, 29, 7)),
        ("start_date: 2000-02-29\nstart_hour: 08", datetime(2000, 2, 29, 8)),
        ("start_time: 2000-01-01 06:00:00\nstart_date: 2000/01/01\nstart_hour: 6", datetime(2000, 1, 1, 6)),
    ],
)
def test_start_times(read: Callable[[str], BmiConfig], text: str, expected: datetime) -> None:
    """The start is read in NGIAB's spellings and YAML's, from ``start_time``, ``start_date`` and ``start_hour``, or both."""
    assert read(text).start_time == expected


# --- files and folders -------------------------------------------------------------------------------------------------------------------


def test_missing_file(tmp_path: Path) -> None:
    """A file that is not there is named."""
    with pytest.raises(ConfigError, match=r"cat-404\.yml: cannot be read as a BMI configuration: .*No such file"):
        read_config(tmp_path / "cat-404.yml")


def test_folder_for_a_file(tmp_path: Path) -> None:
    """A folder in the place of the file is named."""
    with pytest.raises(ConfigError, match=f"{tmp_path}: cannot be read as a BMI configuration"):
        read_config(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: [1, 2", r"cat-7\.yml: is not YAML: .*line 1"),
        (b"a: !!python/object/apply:os.getcwd []", r"cat-7\.yml: is not YAML: .*python/object/apply"),
        (
            b"catchment_id: cat-7\ncatchment_id: cat-8",
            r"cat-7\.yml: is not YAML: the key 'catchment_id' stands there twice, in lines 1 and 2",
        ),
        (b"a: \x00", r"cat-7\.yml: is not YAML"),
        (b"\xff\xfe\x00", r"cat-7\.yml: cannot be read as a BMI configuration: .*utf-8"),
        (b"", r"cat-7\.yml is None, expected keys and values"),
        (b"- catchment_id", r"cat-7\.yml is \['catchment_id'\], expected keys and values"),
        (b"catchment_id", r"cat-7\.yml is 'catchment_id', expected keys and values"),
    ],
)
def test_no_yaml(tmp_path: Path, content: bytes, message: str) -> None:
    """What is no YAML of keys and values is refused, and no code in it is run."""
    file = tmp_path / "cat-7.yml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=f"(?s){message}"):
        read_config(file)


@pytest.mark.parametrize("written", ["0012", "1_0", "01022500", "12", "cat-12", "1e5", "0x1F"])
def test_ids_are_as_they_are_written(tmp_path: Path, written: str) -> None:
    """An id that YAML would take for another number is the one that stands there."""
    (tmp_path / "a.yml").write_text(
        f"catchment_id: {written}\nmodel_dir: {tmp_path}\nstart_time: 2000-01-01\npet_method: penman_monteith\n"
    )
    assert read_config(tmp_path / "a.yml").catchment_id == written


@pytest.mark.parametrize("written", ["../cat-1", "a/b", "cat 1", "1.5", "true", "[cat-1]", "cat-ä"])
def test_ids_that_are_none(tmp_path: Path, written: str) -> None:
    """What could be no plain name of a file is no id."""
    (tmp_path / "a.yml").write_text(f"catchment_id: {written}\nmodel_dir: {tmp_path}\nstart_time: 2000-01-01\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"a\.yml: catchment_id: .* is no legal id"):
        read_config(tmp_path / "a.yml")


@pytest.mark.parametrize(("written", "value"), [("0012", 12.0), ("1e-5", 1e-5), ("335.1", 335.1)])
def test_attributes_are_the_numbers_that_are_written(write_config: Writer, written: str, value: float) -> None:
    """Leading zeros do not make another number of an attribute."""
    file = write_config(meanelevation=1.0)
    file.write_text(file.read_text().replace("meanelevation: 1.0", f"meanelevation: {written}"))
    assert read_config(file).attributes(["aridity", "meanP", "meanelevation", "uparea"])["meanelevation"] == value


@pytest.mark.parametrize("written", ["1_0", "high", "1,5", "--", "true"])
def test_attributes_that_are_no_numbers(write_config: Writer, written: str) -> None:
    """Words and digits in groups are refused, with file, key and value."""
    file = write_config(meanelevation=1.0)
    file.write_text(file.read_text().replace("meanelevation: 1.0", f"meanelevation: {written}"))
    with pytest.raises(ConfigError, match=r"\.yml: meanelevation is .*, expected a number"):
        read_config(file).attributes(["aridity", "meanP", "meanelevation", "uparea"])


def test_model_dir_is_looked_for_in_the_working_directory_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_config: Writer
) -> None:
    """A relative model folder is the one in the working directory, as in ngen, even if there is one beside the file."""
    for folder in ("work", "config"):
        (tmp_path / folder / "model").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work")
    file = write_config(tmp_path / "config", model_dir="./model")
    assert read_config(file).model_dir.resolve() == (tmp_path / "work" / "model").resolve()


def test_model_dir_is_looked_for_beside_the_file_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_config: Writer) -> None:
    """A relative model folder that is not in the working directory is the one beside the file, also if the file's path is relative."""
    for folder in ("work", "config/model"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work")
    file = write_config(tmp_path / "config", model_dir="./model")
    assert read_config(file).model_dir.resolve() == (tmp_path / "config" / "model").resolve()
    assert read_config(f"../config/{file.name}").model_dir.resolve() == (tmp_path / "config" / "model").resolve()


def test_missing_model_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_config: Writer) -> None:
    """Where there is no model folder, or a file of its name, the error names the file, the key, the value and both places."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "modl").write_text("no folder")
    file = write_config(tmp_path / "config", model_dir="modl")
    with pytest.raises(ConfigError) as caught:
        read_config(file)
    for part in (f"{file}: model_dir is 'modl', expected a folder; looked for ", str(tmp_path / "modl"), str(tmp_path / "config" / "modl")):
        assert part in str(caught.value)


# --- keys --------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["catchment_id", "model_dir", "start_time"])
def test_required_key_is_missing(write_config: Writer, key: str) -> None:
    """A required key that is left out is named, with the file."""
    file = write_config(**{key: None, "catchment_name": "7"}) if key != "model_dir" else write_config(model_dir=None)
    with pytest.raises(ConfigError, match=rf"\.yml: key '{key}' is missing"):
        read_config(file)


@pytest.mark.parametrize("key", ["catchment_id", "model_dir", "start_time"])
def test_required_key_without_value(tmp_path: Path, key: str) -> None:
    """A required key without a value counts as missing."""
    values = {"catchment_id": "cat-7", "model_dir": str(tmp_path), "start_time": "2000-01-01 00:00:00", key: None}
    (tmp_path / "cat-7.yml").write_text(yaml.safe_dump(values), encoding="utf-8")
    with pytest.raises(ConfigError, match=f"cat-7.yml: key '{key}' is missing"):
        read_config(tmp_path / "cat-7.yml")


def test_hargreaves_needs_a_latitude(write_config: Writer) -> None:
    """Hargreaves without a latitude is an error; Penman–Monteith needs none."""
    with pytest.raises(ConfigError, match=r"cat-7\.yml: key 'latitude' is missing; pet_method hargreaves needs it"):
        read_config(write_config(latitude=None))
    assert read_config(write_config(latitude=None, pet_method="penman_monteith")).latitude is None


@pytest.mark.parametrize(
    ("slip", "key"),
    [
        ("catchmentid", "catchment_id"),
        ("catchmnet_id", "catchment_id"),
        ("model_dirs", "model_dir"),
        ("start_tiem", "start_time"),
        ("time_stepp", "time_step"),
        ("pet_methd", "pet_method"),
        ("lattitude", "latitude"),
        ("dype", "dtype"),
        ("Device", "device"),
        ("backened", "backend"),
        ("initial_sate", "initial_state"),
        ("meanp", "meanP"),
        ("meanelevatoin", "meanelevation"),
        ("up_area", "uparea"),
        ("stepwize", "stepwise"),
    ],
)
def test_slip_of_the_pen(tmp_path: Path, write_config: Writer, slip: str, key: str) -> None:
    """A key one letter away from a known one is an error that names the file and suggests the known key, whatever the key."""
    file = write_config(tmp_path)
    values = yaml.safe_load(file.read_text(encoding="utf-8"))
    values[slip] = values.pop(key, "cpu")
    file.write_text(yaml.safe_dump(values), encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"cat-7\.yml: unknown key '{slip}'; did you mean '{key}'\?"):
        _check(file)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("latitude", "latitud", True),
        ("latitude", "atitude", True),
        ("latitude", "latiude", True),
        ("latitude", "latitudes", True),
        ("latitude", "laptitude", True),
        ("latitude", "lotitude", True),
        ("latitude", "latitued", True),
        ("latitude", "altitude", True),
        ("latitude", "latitude", False),
        ("latitude", "latitu", False),
        ("latitude", "latitudess", False),
        ("latitude", "lototude", False),
        ("latitude", "tlaitude", False),
        ("ab", "ba", True),
        ("a", "", True),
        ("", "", False),
    ],
)
def test_one_slip(a: str, b: str, expected: bool) -> None:
    """One slip is a letter added, left out or changed or two neighbours swapped, in either direction; no slip or two are not one."""
    assert one_slip_apart(a, b) is expected
    assert one_slip_apart(b, a) is expected


def test_similar_attributes_are_no_slips(shared: Path) -> None:
    """None of the attributes and keys that NGIAB writes is taken for a slip of another, also if the model needs few of them."""
    file = shared / "parity" / "bmi_dhbv_2_mts" / "cat-88306.yml"
    values = yaml.safe_load(file.read_text(encoding="utf-8"))
    known = list(values)
    assert len(known) > 28
    assert not [(a, b) for a in known for b in known if one_slip_apart(a, b)]


def test_attribute_like_a_setting_is_no_slip(write_config: Writer) -> None:
    """An attribute that the model asks for may resemble a setting, as altitude does latitude."""
    file = write_config(altitude=335.1)
    assert _check(file, ("altitude", "aridity", "meanP", "meanelevation", "uparea"))["altitude"] == 335.1


def test_unknown_key_warns_once(tmp_path: Path, write_config: Writer) -> None:
    """A key that means nothing is warned of once, by name, however many files have it; another key is warned of again."""
    files = []
    for i in range(3):
        (tmp_path / str(i)).mkdir()
        files.append(write_config(tmp_path / str(i), favourite_colour="blue"))
    with pytest.warns(UserWarning, match=r"cat-7\.yml: key 'favourite_colour' means nothing to this model"):
        _check(files[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _check(files[1])
    with pytest.warns(UserWarning, match="key 'vegetation' means nothing"):
        _check(write_config(tmp_path / "2", favourite_colour="red", vegetation="beech"))


def test_keys_of_ngiab_do_not_warn(shared: Path) -> None:
    """NGIAB's keys without effect here, and the attributes it writes that the model uses, go without a warning."""
    file = shared / "parity" / "bmi_dhbv_2" / "cat-88306.yml"
    values = yaml.safe_load(file.read_text(encoding="utf-8"))
    attributes = [key for key, value in values.items() if isinstance(value, float) and key != "latitude"]
    assert len(attributes) == 28
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(read_config(file).attributes(attributes)) == 28


# --- values ------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("time_step", "1 days", "time_step is '1 days', expected one of 1 day, 1 hour; did you mean '1 day'?"),
        ("time_step", 3600, "time_step is 3600, expected one of 1 day, 1 hour"),
        ("pet_method", "hargreave", "pet_method is 'hargreave', expected one of penman_monteith, hargreaves; did you mean 'hargreaves'?"),
        ("pet_method", "thornthwaite", "pet_method is 'thornthwaite', expected one of penman_monteith, hargreaves"),
        ("dtype", "float16", "dtype is 'float16', expected one of float32, float64"),
        ("dtype", 32, "dtype is 32, expected one of float32, float64"),
        ("backend", "numba", "backend is 'numba', expected one of auto, compiled, torch"),
        ("latitude", "north", "latitude is 'north', expected a number"),
        ("latitude", True, "latitude is True, expected a number"),
        ("latitude", 91, "latitude is 91, expected degrees between -90 and 90"),
        ("latitude", -90.5, "latitude is -90.5, expected degrees between -90 and 90"),
        ("latitude", float("nan"), "latitude is nan, expected degrees between -90 and 90"),
    ],
)
def test_wrong_value(write_config: Writer, key: str, value: object, message: str) -> None:
    """A value that is none of the choices or no possible number is an error with file, key, value and what would be right."""
    file = write_config(**{key: value})
    with pytest.raises(ConfigError) as caught:
        read_config(file)
    assert str(caught.value).startswith(f"{file}: {message}")


@pytest.mark.parametrize(
    "text",
    [
        "start_time: '2000-13-01'",
        "start_time: 2000-13-01",
        "start_time: 2001-02-29 00:00:00",
        "start_time: 2001-02-28 24:00:00",
        "start_time: 2000-01-01 00:30:00",
        "start_time: 2000-01-01 00:00:30",
        "start_time: '2000-01-01 00:30'",
        "start_time: 2000-01-01 00:00:00Z",
        "start_time: 2000-01-01 00:00:00+02:00",
        "start_time: New Year's Day",
        "start_time: 2000",
        "start_time: 01/02/2000",
        "start_time: [2000, 1, 1]",
    ],
)
def test_bad_start_time(read: Callable[[str], BmiConfig], text: str) -> None:
    """A start that is no time, no full hour or has a time zone is an error with file and key."""
    with pytest.raises(ConfigError, match=r"cat-7\.yml: .*start_time"):
        read(text)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("start_date: tomorrow", "start_date"),
        ("start_date: 2000-01-01\nstart_hour: 24", "start_hour"),
        ("start_date: 2000-01-01\nstart_hour: -1", "start_hour"),
        ("start_date: 2000-01-01\nstart_hour: 6.5", "start_hour"),
        ("start_date: 2000-01-01\nstart_hour: noon", "start_hour"),
        ("start_date: 2000-01-01\nstart_hour: yes", "start_hour"),
    ],
)
def test_bad_start_date(read: Callable[[str], BmiConfig], text: str, key: str) -> None:
    """A start date that is none, or a start hour that is no hour of the day, is an error with file and key."""
    with pytest.raises(ConfigError, match=rf"cat-7\.yml: {key} is "):
        read(text)


@pytest.mark.parametrize(
    "text",
    [
        "start_time: 2000-01-01 06:00:00\nstart_date: 2000-01-01",
        "start_time: 2000-01-01 00:00:00\nstart_date: 2000-01-02\nstart_hour: 0",
        "start_time: 2000-01-01 00:00:00\nstart_date: 2000-01-01\nstart_hour: 6",
        "start_time: 2000-01-01 00:00:00\nstart_hour: 6",
        "start_date: 2000-01-01 06:00:00",
        "start_date: 2000-01-01 06:00:00\nstart_hour: 7",
    ],
)
def test_starts_that_disagree(read: Callable[[str], BmiConfig], text: str) -> None:
    """Two different statements of the start are an error that names the keys; none of them is dropped in silence."""
    with pytest.raises(ConfigError, match=r"cat-7\.yml: .*start_"):
        read(text)


def test_starts_that_disagree_are_both_told(read: Callable[[str], BmiConfig]) -> None:
    """The error for disagreeing starts says what each key says."""
    with pytest.raises(ConfigError, match=r"start_time says? 2000-01-01 06:00:00 but start_date and start_hour say 2000-01-02 05:00:00"):
        read("start_time: 2000-01-01 06:00:00\nstart_date: 2000-01-02\nstart_hour: 5")


def test_all_missing_attributes_are_named(write_config: Writer) -> None:
    """Missing attributes are named, all of them, with file and catchment."""
    file = write_config(aridity=None, uparea=None)
    with pytest.raises(ConfigError, match=rf"{file}: catchment cat-7 lacks the attributes aridity, uparea$"):
        _check(file)


@pytest.mark.parametrize("value", ["dry", True, [1.0]])
def test_attribute_that_is_no_number(write_config: Writer, value: object) -> None:
    """An attribute that is no number is an error with file, key and value."""
    file = write_config(aridity=value)
    with pytest.raises(ConfigError, match=r"cat-7\.yml: aridity is .*, expected a number"):
        _check(file)


def test_attribute_without_value(tmp_path: Path, write_config: Writer) -> None:
    """An attribute whose key has no value is an error with file and key."""
    file = write_config(tmp_path, aridity=None)
    file.write_text(file.read_text(encoding="utf-8") + "aridity:\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"cat-7\.yml: aridity is None, expected a number"):
        _check(file)
