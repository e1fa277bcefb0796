"""CSDMS's own tests of a BMI. They skip much, of which other tests here take care."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import bmi_tester
import pytest

import bmi_dmg

CLASS = "bmi_dmg:BmiDeltaModel"
_TESTS = Path(bmi_tester.__file__).parent
STAGES = (_TESTS / "_bootstrap", *sorted((_TESTS / "_tests").glob("stage_*")))

#: A line such as "=== 25 passed, 6 skipped in 0.19s ===".
_SUMMARY = re.compile(r"^=+ (.*) in [\d.]+s.* =+$", re.MULTILINE)


@dataclass
class Staged:
    """A folder with a configuration and nothing else, as bmi-tester copies all that lies beside the configuration."""

    config: Path
    environment: dict[str, str]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the folder."""
        return subprocess.run(command, cwd=self.config.parent, env=self.environment, capture_output=True, text=True, check=False)


@pytest.fixture
def stage(write_config: Callable[..., Path], tmp_path: Path) -> Callable[[str], Staged]:
    """Give a maker of folders for bmi-tester, whose pytest is kept away from this project's configuration."""

    def make(physics: str) -> Staged:
        (tmp_path / "pytest.ini").write_text("[pytest]\n")
        (tmp_path / "inputs").mkdir()
        environment = {
            **os.environ,
            "PYTHONPATH": str(Path(bmi_dmg.__file__).parents[1]),
            "PYTEST_ADDOPTS": f"-c {tmp_path / 'pytest.ini'} -rs -p no:cacheprovider --basetemp={tmp_path / 'pytest'}",
        }
        return Staged(write_config(tmp_path / "inputs", physics=physics), environment)

    return make


def _counts(output: str) -> list[dict[str, int]]:
    """Numbers of tests by their outcome, for each run of pytest in the output."""
    return [{outcome: int(count) for count, outcome in re.findall(r"(\d+) (\w+)", summary)} for summary in _SUMMARY.findall(output)]


def _assert_passed(counts: dict[str, int], output: str) -> None:
    assert counts.get("passed", 0) > 0, output
    assert set(counts) <= {"passed", "skipped", "deselected"}, output


def test_stages_are_those_we_know() -> None:
    """There are four stages; a new one of a later bmi-tester is to be looked at."""
    assert [stage.name for stage in STAGES] == ["_bootstrap", "stage_1", "stage_2", "stage_3"]


@pytest.mark.parametrize("physics", ["Hbv_2", "Hbv_2_hourly"])
def test_command_line_passes_every_stage(stage: Callable[[str], Staged], physics: str) -> None:
    """The command bmi-test, which stops at the first stage that fails, runs all of them, with units, and none fails."""
    staged = stage(physics)
    program = Path(sysconfig.get_path("scripts")) / "bmi-test"
    result = staged.run(str(program), CLASS, f"--root-dir={staged.config.parent}", f"--config-file={staged.config}")
    assert result.returncode == 0, result.stdout + result.stderr
    counts = _counts(result.stdout)
    assert len(counts) == len(STAGES), result.stdout
    for stage_counts in counts:
        _assert_passed(stage_counts, result.stdout)
    assert "gimli.units is not installed" not in result.stdout
    assert "not a valid standard name" not in result.stdout


@pytest.mark.parametrize("folder", STAGES, ids=lambda folder: folder.name)
def test_stage_passes_by_itself(stage: Callable[[str], Staged], folder: Path) -> None:
    """Each stage, run in a process of its own, fails in no test."""
    staged = stage("Hbv_2")
    script = "import sys; from bmi_tester.api import check_bmi; sys.exit(check_bmi(*sys.argv[1:]))"
    result = staged.run(sys.executable, "-c", script, CLASS, str(folder), staged.config.name)
    assert result.returncode == 0, result.stdout + result.stderr
    (counts,) = _counts(result.stdout)
    _assert_passed(counts, result.stdout)
