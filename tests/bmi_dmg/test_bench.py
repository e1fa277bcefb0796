from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from rich.console import Console
from typer.testing import CliRunner

from bmi_dmg.bench import black_box, domain
from bmi_dmg.bench.laboratory import BenchError, Laboratory, Subject
from bmi_dmg.bench.report import NAMES, as_table, lines, run_benchmark
from bmi_dmg.bench.sizes import FULL, QUICK
from bmi_dmg.cli.bench_cli import Figure
from bmi_dmg.cli.main import app
from bmi_dmg.variables import PENMAN_MONTEITH_INPUTS
from dmg_core.errors import ConfigError

MakeModel = Callable[..., Path]
INPUTS = [variable.name for variable in PENMAN_MONTEITH_INPUTS]
RUNOFF = "land_surface_water__runoff_volume_flux"

#: A BMI class that notes how it is called; it fails when told to.
RECORDING = """
calls = []
NAMES = {"known": "meaning"}

class Model:
    def initialize(self, config):
        if config == "bad":
            raise KeyError("missing")
        self.config = config

    def set_value(self, name, src):
        calls.append((self.config, name, src.shape))

    def update(self):
        calls.append((self.config, "update"))

    def get_value_at_indices(self, name, dest, inds):
        dest[:] = 2.0
        calls.append((self.config, name))
"""


@pytest.fixture(autouse=True)
def _same_torch_threads() -> Iterator[None]:
    """Give torch back the threads that a measurement in this process takes from it."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def weather(tmp_path: Path) -> Path:
    """Two days of mild, rainy weather at three places."""
    path = tmp_path / "weather.npy"
    np.save(path, np.tile([2.0, 10.0, 0.006, 300.0, 200.0, 98000.0, 2.0, 1.0], (48, 3, 1)))
    return path


@pytest.fixture
def recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Module of the recording class."""
    (tmp_path / "recording_black_box.py").write_text(RECORDING, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "recording_black_box", raising=False)
    import recording_black_box

    return recording_black_box


def make_job(weather: Path, python_type: str, configs: list[str], **changes: Any) -> black_box.Job:
    """Make a short job."""
    job = {
        "result": str(weather.with_name("result.json")),
        "python_type": python_type,
        "aliases": {},
        "configs": configs,
        "inputs": INPUTS,
        "output": RUNOFF,
        "weather": str(weather),
        "warm_up_hours": 24,
        "hours": 24,
        "repeats": 3,
        "split_days": 2,
    }
    return black_box.Job(**{**job, **changes})


def test_a_class_is_called_as_ngen_calls_it(weather: Path, recording: Any) -> None:
    """For each hour, and each object in turn: every input set to a new array of one item, an update, the output read."""
    black_box.measure(make_job(weather, "recording_black_box.Model", ["a", "b"], warm_up_hours=0, repeats=0, split_days=0))
    hour = [(config, *call) for config in "ab" for call in (*((name, (1,)) for name in INPUTS), ("update",), (RUNOFF,))]
    assert recording.calls == hour * 24


def test_all_that_was_asked_for_is_measured(weather: Path, recording: Any) -> None:
    """A job has as many repeats, and days of single updates, as it asked for; every duration is positive."""
    measured = black_box.measure(make_job(weather, "recording_black_box.Model", ["a", "b"]))
    assert np.array(measured["repeats"]).shape == (3,)
    assert np.array(measured["updates"]).shape == (2, 24)
    assert min(measured["repeats"]) > 0.0
    assert min(map(min, measured["updates"])) > 0.0
    assert measured["first_day"] > 0.0
    assert measured["output"] == 2.0
    assert len(recording.calls) == 2 * 24 * (1 + 1 + 3 + 2) * 10 - 2 * 24 * 2  # the output is not read where updates are timed alone


def test_nothing_is_measured_as_nothing(weather: Path) -> None:
    """Without a class, the loop runs on calls that do nothing."""
    measured = black_box.measure(make_job(weather, "", ["a"]))
    assert measured["output"] == 0.0
    assert max(measured["repeats"]) < 1e-3


def test_names_are_added_to_tables_that_have_the_other_name(weather: Path, recording: Any) -> None:
    """An alias goes into those tables of the module that know what it stands for, and changes none of their own names."""
    black_box.measure(make_job(weather, "recording_black_box.Model", ["a"], aliases={"new": "known", "other": "unknown", "known": "known"}))
    assert recording.NAMES == {"known": "meaning", "new": "meaning"}


def test_a_failing_class_is_told(weather: Path, recording: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a class raises is the outcome, in a word, without a traceback."""
    job = make_job(weather, "recording_black_box.Model", ["bad"])
    order = weather.with_name("job.json")
    order.write_text(json.dumps(job), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["black_box.py", str(order)])
    black_box.main()
    assert json.loads(Path(job["result"]).read_text()) == {"failed": "KeyError: 'missing'"}


def test_the_real_class_is_measured(weather: Path, make_model: MakeModel, attributes: Mapping[str, float], tmp_path: Path) -> None:
    """The BMI of this package runs as a black box: there is runoff, and the hour of the day that computes takes longest."""
    config = tmp_path / "cat-1.yml"
    settings = {"catchment_id": "cat-1", "model_dir": str(make_model()), "start_time": "2000-01-01 00:00:00", "time_step": "1 day"}
    config.write_text(yaml.safe_dump({**settings, **attributes}), encoding="utf-8")
    measured = black_box.measure(make_job(weather, "bmi_dmg.BmiDeltaModel", [str(config)], split_days=5))
    assert measured["output"] > 0.0
    assert np.median(measured["updates"], axis=0).argmax() == 23


def made_up(cost: float, *, resident: int | None = 100_000_000) -> black_box.Measured:
    """Measurements of a class that takes ``cost`` seconds for a catchment's hour, three times as much for the last one of a day."""
    updates = [[cost] * 23 + [3.0 * cost]] * 2
    return black_box.Measured(
        import_torch=1.0,
        import_module=0.5,
        initialize=0.25,
        first_day=0.125,
        resident=resident,
        repeats=[cost, 2.0 * cost, 4.0 * cost],
        updates=updates,
        output=1.0,
    )


Answer = Callable[[str, Mapping[str, Any]], Any]


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Callable[[Answer], None]:
    """Give a way to let something else answer instead of processes."""

    def replace(answer: Answer) -> None:
        monkeypatch.setattr(Laboratory, "run", lambda _self, script, job, **_: answer(script, job))

    return replace


@pytest.fixture
def other_python(tmp_path: Path) -> str:
    """Stand-in for an interpreter that has the public package."""
    path = tmp_path / "python"
    path.write_text('#!/bin/sh\necho \'{"dhbv2": "1.2", "torch": "2", "numpy": "2"}\'\n', encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def answer_fast_and_slow(script: str, job: Mapping[str, Any]) -> Any:
    """Let this package take 1 µs, the other one 100 µs; memory grows by 2 KB with each catchment, and by 200 KB."""
    if script == "batches":
        return {"repeats": [1000.0 * job["threads"]] * 3}
    if script == "prepared_start":
        return {"seconds": 1.25, "of_further": 5e-4, "torch": False}
    slow = job["python_type"].startswith("dhbv2")
    return made_up(1e-4 if slow else 1e-6, resident=1_000_000 + len(job["configs"]) * (200_000 if slow else 2_000))


def test_quick_mode_gives_every_figure(answering: Callable[[Answer], None]) -> None:
    """Each figure of each model is there, with machine, software and sizes, and all of it is JSON."""
    answering(answer_fast_and_slow)
    results = json.loads(json.dumps(run_benchmark(quick=True)))
    assert set(results) == {"time", "quick", "machine", "software", "sizes", "figures"}
    assert set(results["figures"]) == set(NAMES)
    for figure, models in results["figures"].items():
        assert set(models) == ({"daily"} if figure == "batch" else {"daily", "hourly", "multi-timescale"})
    stepping = results["figures"]["stepping"]["daily"]
    assert stepping["seconds_per_catchment_year"] == pytest.approx({"median": 0.01752, "low": 0.00876, "high": 0.03504, "repeats": 3})
    assert stepping["update_us_in_compute_hours"] == pytest.approx(3.0)
    assert stepping["update_us_in_other_hours"] == pytest.approx(1.0)
    assert results["figures"]["initialization"]["daily"]["ms_per_catchment"]["median"] == pytest.approx(1e3 * 0.375 / QUICK.initialized)
    assert results["figures"]["prepared"]["daily"]["ms_per_further_catchment"]["median"] == 0.5
    assert results["figures"]["startup"]["hourly"]["cold_s"]["median"] == 0.875
    assert results["figures"]["memory"]["daily"]["kb_per_further_catchment"] == {"4": 2.0, "16": 2.0}
    assert results["figures"]["growth"]["daily"]["most_over_least"] == 1.0
    assert results["figures"]["batch"]["daily"]["catchment_days_per_s"]["2"]["median"] == 2000.0


def test_figures_can_be_chosen(answering: Callable[[Answer], None]) -> None:
    """Only what is asked for is measured."""
    answering(answer_fast_and_slow)
    assert set(run_benchmark(quick=True, only=["memory", "batch"])["figures"]) == {"memory", "batch"}


def test_ratios_are_theirs_over_ours(answering: Callable[[Answer], None], other_python: str) -> None:
    """With another package, its figures stand beside ours, and ratios say how many times ours they are."""
    answering(answer_fast_and_slow)
    results = run_benchmark(quick=True, against=other_python)
    assert results["against"]["dhbv2"] == "1.2"
    assert set(results["against"]["figures"]) == {"startup", "stepping", "initialization", "memory"}
    assert results["ratios"]["daily"]["stepping, s per catchment-year"] == pytest.approx(100.0)
    assert results["ratios"]["daily"]["memory per further catchment, KB"] == pytest.approx(100.0)
    assert not any("loop" in label for label in results["ratios"]["daily"])


def test_a_public_class_that_fails_is_told(answering: Callable[[Answer], None], other_python: str) -> None:
    """What does not run of the other package is told in its place; everything else is measured."""

    def answer(script: str, job: Mapping[str, Any]) -> Any:
        if script == "black_box" and job["python_type"].startswith("dhbv2.bmi"):
            raise BenchError("KeyError: 'Temp'")
        return answer_fast_and_slow(script, job)

    answering(answer)
    results = run_benchmark(quick=True, only=["stepping"], against=other_python)
    assert results["against"]["figures"]["stepping"]["daily"] == {"failed": "KeyError: 'Temp'"}
    assert "stops as published (KeyError: 'Temp')" in results["against"]["notes"]["daily"]
    assert set(results["ratios"]) == {"multi-timescale"}


def test_a_class_without_runoff_is_no_measurement(answering: Callable[[Answer], None]) -> None:
    """Zeros after the warm-up mean that the model has not been stepping: an error says so."""
    answering(lambda _script, _job: {**made_up(1e-6), "output": 0.0})
    with pytest.raises(BenchError, match=r"runoff is 0\.0 after its warm-up"):
        run_benchmark(quick=True, only=["stepping"])


def test_memory_that_cannot_be_known_is_left_out(answering: Callable[[Answer], None]) -> None:
    """On systems that do not tell a process's memory, that figure is empty and the table does without it."""
    answering(lambda _script, _job: made_up(1e-6, resident=None))
    results = run_benchmark(quick=True, only=["memory", "growth"])
    assert results["figures"]["memory"] == {"daily": None, "hourly": None, "multi-timescale": None}
    assert not any("memory" in label for _, label, _ in lines(results["figures"]))
    assert as_table(results).row_count > 0


def test_the_table_shows_every_line(answering: Callable[[Answer], None], other_python: str) -> None:
    """Every line of every figure is a row, with the other package's beside it."""
    answering(answer_fast_and_slow)
    results = run_benchmark(quick=True, against=other_python)
    printed = StringIO()
    Console(width=200, file=printed).print(as_table(results))
    for _, label, _ in lines(results["figures"]):
        assert label in printed.getvalue()
    assert "Quick measurement: not for comparison" in printed.getvalue()


def test_domains_end_at_the_number_asked_for() -> None:
    """No domain is larger than --catchments says, nor is any other part of the benchmark."""
    sizes = FULL.within(150)
    assert sizes.domains == (1, 10, 100)
    assert (sizes.initialized, sizes.stepped, sizes.batch_catchments) == (150, 20, 150)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"only": ["speed"]}, "unknown figures speed; there are startup"),
        ({"catchments": 3}, "3 catchments are too few to measure with; at least 4"),
        ({"against": sys.executable}, "has no package dhbv2"),
        ({"against": "/nowhere/python"}, "/nowhere/python cannot be run as an interpreter"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(arguments: dict[str, Any], message: str) -> None:
    """Unknown figures, too few catchments and interpreters without the package are errors before anything is measured."""
    with pytest.raises(ConfigError, match=message):
        run_benchmark(quick=True, **arguments)


def test_a_full_disk_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without room for the models, an error says how much is needed and where to set another folder."""
    monkeypatch.setattr(domain.shutil, "disk_usage", lambda _: SimpleNamespace(free=1e6))
    with pytest.raises(ConfigError, match=r"1 MB are free, .* set TMPDIR"):
        run_benchmark()


def test_a_process_that_dies_is_an_error(tmp_path: Path) -> None:
    """A measurement whose process leaves no result says why, with what it printed last."""
    files = domain.Domain(tmp_path, tmp_path / "weather.npy", (), {})
    subject = Subject(python=sys.executable, python_type="", configs=lambda _: [], model="daily")
    with pytest.raises(BenchError, match="No such file"):
        Laboratory(files, QUICK).measure(subject, 1)


def test_the_command_offers_every_figure() -> None:
    """The choices of --only are the figures there are."""
    assert {figure.value for figure in Figure} == set(NAMES)


def test_json_on_stdout_is_alone_there() -> None:
    """With ``--json -`` the JSON is on stdout, the table and the progress on stderr; real processes have measured."""
    result = CliRunner().invoke(app, ["bench", "--quick", "--only", "batch", "--json", "-"])
    assert result.exit_code == 0, result.output
    rates = json.loads(result.stdout)["figures"]["batch"]["daily"]["catchment_days_per_s"]
    assert {threads: spread["repeats"] for threads, spread in rates.items()} == {"1": QUICK.repeats, "2": QUICK.repeats}
    assert "batch, threads: 2" in result.stderr


def test_json_goes_to_a_file(answering: Callable[[Answer], None], tmp_path: Path) -> None:
    """With a path, the JSON is written there and the table goes to stdout."""
    answering(answer_fast_and_slow)
    file = tmp_path / "bench.json"
    result = CliRunner().invoke(app, ["bench", "--quick", "--only", "growth", "--json", str(file)])
    assert result.exit_code == 0, result.output
    assert set(json.loads(file.read_text())["figures"]) == {"growth"}
    assert "dearest over cheapest" in result.stdout


@pytest.mark.slow
def test_everything_is_measured_for_real(tmp_path: Path) -> None:
    """The quick benchmark runs from end to end in real processes."""
    file = tmp_path / "bench.json"
    result = CliRunner().invoke(app, ["bench", "--quick", "--json", str(file)])
    assert result.exit_code == 0, result.output
    figures = json.loads(file.read_text())["figures"]
    assert set(figures) == set(NAMES)
    for models in figures["stepping"].values():
        assert 0.0 < models["seconds_per_catchment_year"]["median"] < 10.0
    for models in figures["startup"].values():
        assert models["cached_s"]["median"] < models["cold_s"]["median"]
