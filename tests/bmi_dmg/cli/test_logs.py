from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner

from bmi_dmg import logs
from bmi_dmg.cli.main import app


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take back what is set up."""
    root = logging.getLogger()
    before, level = root.handlers.copy(), root.level
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    yield
    root.handlers[:] = before
    root.setLevel(level)


def test_plain_lines_start_at_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    """For people, a warning is one readable line and information stays out."""
    logs.set_up(as_json=False)
    logging.getLogger("some.module").warning("the %s is low", "river")
    logging.getLogger("some.module").info("nothing")
    assert capsys.readouterr().err == "Warning: the river is low\n"
    assert not logs.are_json()


def test_json_lines_say_when_who_and_what(capsys: pytest.CaptureFixture[str]) -> None:
    """For programs, each record is one object on one line, whatever the message holds; the traceback is part of it."""
    logs.set_up(as_json=True)
    logger = logging.getLogger("some.module")
    logger.info('two\nlines "and δ"')
    try:
        raise KeyError("cat-7")
    except KeyError:
        logger.exception("failed")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert {key: first[key] for key in ("level", "logger", "message")} == {
        "level": "info",
        "logger": "some.module",
        "message": 'two\nlines "and δ"',
    }
    told = datetime.fromisoformat(first["time"])
    assert told.utcoffset() == timedelta(0)
    assert abs(datetime.now(told.tzinfo) - told) < timedelta(minutes=1)
    assert second["level"] == "error"
    assert second["traceback"].endswith("KeyError: 'cat-7'")


def test_setting_up_twice_tells_once(capsys: pytest.CaptureFixture[str]) -> None:
    """The last form asked for counts, alone."""
    logs.set_up(as_json=True)
    logs.set_up(as_json=False)
    logging.getLogger("x").error("gone")
    assert capsys.readouterr().err == "Error: gone\n"


@pytest.mark.filterwarnings("always")
def test_python_warnings_become_log_records(capsys: pytest.CaptureFixture[str]) -> None:
    """A warning of ours is its message; one of another kind says where it comes from."""
    logs.set_up(as_json=False)
    warnings.warn("look at this", stacklevel=1)
    warnings.warn("old", DeprecationWarning, stacklevel=1)
    ours, other = capsys.readouterr().err.splitlines()
    assert ours == "Warning: look at this"
    assert other.startswith(f"Warning: {__file__}:")
    assert other.endswith(": DeprecationWarning: old")


@pytest.mark.filterwarnings("always")
def test_the_command_writes_json(make_run: Callable[..., Path], recorded: ModuleType) -> None:
    """With --log-json, all of stderr is JSON: no progress bar, and an error is a record, too."""
    folder = make_run(config={"fail_in": "update"})
    result = CliRunner().invoke(app, ["--log-json", "run", str(folder)])
    assert (result.exit_code, result.stdout) == (1, "")
    lines = [json.loads(line) for line in result.stderr.splitlines()]
    assert lines[-1]["message"] == "cat-1 failed at time step 0 (2020-02-28 22:00:00): RuntimeError: told to fail in update"
    assert lines[-1]["level"] == "error"
