"""The start of a run by its realization, against that of the BMI configs."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from bmi_dmg import BmiDeltaModel
from bmi_dmg.bmi import realization_start

START = "2000-01-01 00:00:00"
OTHER = "2000-07-01 00:00:00"


@pytest.fixture
def told(
    write_config: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Callable[..., list[str]]:
    """Give a function that initializes two catchments in a run folder, and says what is told of their start."""
    monkeypatch.setattr(realization_start, "_told", set())
    monkeypatch.setattr(realization_start, "_COMMAND_LINE", tmp_path / "cmdline")
    (tmp_path / "config").mkdir()
    monkeypatch.chdir(tmp_path)

    def initialize(*arguments: str) -> list[str]:
        (tmp_path / "cmdline").write_bytes(b"\0".join(argument.encode() for argument in arguments))
        realization_start._named_on_command_line.cache_clear()
        with caplog.at_level(logging.WARNING, "bmi_dmg"):
            for catchment in ("cat-1", "cat-2"):
                BmiDeltaModel().initialize(str(write_config(catchment_id=catchment, start_time=START)))
        return [record.message for record in caplog.records]

    return initialize


def _write(path: Path, start: str) -> None:
    path.write_text(json.dumps({"time": {"start_time": start}}), encoding="utf-8")


def test_another_start_is_told_once(told: Callable[..., list[str]], tmp_path: Path) -> None:
    """Where the realization of the run folder starts at another time than the configurations, it is told with both times, once."""
    _write(tmp_path / "config" / "realization.json", OTHER)
    (message,) = told("ngen", "all")
    assert f"start_time is {START}, but the realization config/realization.json starts at {OTHER}" in message


@pytest.mark.parametrize("content", [json.dumps({"time": {"start_time": START}}), "no JSON", "{}", '{"time": {"start_time": 3}}'])
def test_nothing_is_told_without_a_difference(told: Callable[..., list[str]], tmp_path: Path, content: str) -> None:
    """The same start, and a file that says none, are nothing to tell of."""
    (tmp_path / "config" / "realization.json").write_text(content, encoding="utf-8")
    assert told("ngen", "all") == []


def test_the_command_line_counts(told: Callable[..., list[str]], tmp_path: Path) -> None:
    """Inside ngen the realization is the one that ngen was called with, wherever it lies; other JSON files there say no start."""
    _write(tmp_path / "config" / "realization.json", START)
    _write(tmp_path / "summer.json", OTHER)
    (tmp_path / "partitions_2.json").write_text('{"partitions": []}', encoding="utf-8")
    (message,) = told("ngen", "x.gpkg", "all", "x.gpkg", "all", "summer.json", "partitions_2.json")
    assert f"summer.json starts at {OTHER}" in message


def test_several_realizations_say_nothing(told: Callable[..., list[str]], tmp_path: Path) -> None:
    """Where it cannot be known which realization is run, nothing is told."""
    for name in ("realization.json", "realization_2.json"):
        _write(tmp_path / "config" / name, OTHER)
    assert told("ngen", "all") == []
