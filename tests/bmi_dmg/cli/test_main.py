from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner

from bmi_dmg.cli.main import app

MakeRun = Callable[..., Path]
runner = CliRunner()


def test_run_prints_the_path_of_the_results(make_run: MakeRun, recorded: ModuleType) -> None:
    """The path and nothing else goes to stdout; progress goes to stderr."""
    folder = make_run()
    result = runner.invoke(app, ["run", str(folder)])
    assert result.exit_code == 0
    assert result.stdout == f"{folder / 'outputs' / 'catchments.nc'}\n"
    assert "5/5" in result.stderr


def test_no_progress_is_silent(make_run: MakeRun, recorded: ModuleType) -> None:
    """Without the progress bar stderr is empty."""
    result = runner.invoke(app, ["run", "--no-progress", str(make_run())])
    assert result.exit_code == 0
    assert result.stderr == ""


def test_problems_are_printed_without_traceback(make_run: MakeRun, recorded: ModuleType) -> None:
    """What is wrong with a folder is a message on stderr and exit status 1."""
    folder = make_run()
    (folder / "forcings" / "forcings.nc").unlink()
    (folder / "config" / "cat_config" / "fake" / "cat-2.yml").unlink()
    result = runner.invoke(app, ["run", str(folder)])
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith(f"Error: {folder} cannot be run; 2 problems:\n  - BMI config")
    assert "Traceback" not in result.stderr


def test_a_failing_module_is_told_cleanly(make_run: MakeRun, recorded: ModuleType) -> None:
    """An error inside a module names catchment and time, with exit status 1."""
    result = runner.invoke(app, ["run", "--no-progress", str(make_run(config={"fail_in": "update"}))])
    assert result.exit_code == 1
    assert result.stderr == "Error: cat-1 failed at time step 0 (2020-02-28 22:00:00): RuntimeError: told to fail in update\n"


def test_a_missing_folder_is_a_usage_error(tmp_path: Path) -> None:
    """A path that is no folder is refused as a wrong argument."""
    result = runner.invoke(app, ["run", str(tmp_path / "nowhere")])
    assert result.exit_code == 2
    assert "does not exist" in result.stderr


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_help_lists_the_commands(arguments: list[str]) -> None:
    """Help comes with --help and without any argument."""
    text = runner.invoke(app, arguments).output
    assert "run" in text
    assert "plot" in text


def test_help_of_run_teaches_what_a_run_folder_is() -> None:
    """The help of ``run`` shows a run folder, the results and an example."""
    result = runner.invoke(app, ["run", "--help"])
    assert result.exit_code == 0
    for words in ("config/realization.json", "forcings/forcings.nc", "cat_config/", "outputs/catchments.nc", "bmi-dmg run ./my_run"):
        assert words in result.stdout


def test_plot_draws_a_run(make_run: MakeRun, recorded: ModuleType, tmp_path: Path) -> None:
    """``plot`` writes a PNG of a folder that has been run and prints its path."""
    folder, png = make_run(), tmp_path / "hydrographs.png"
    runner.invoke(app, ["run", str(folder)])
    result = runner.invoke(app, ["plot", str(folder), str(png), "--catchment", "cat-2", "--catchment", "cat-10"])
    assert result.exit_code == 0
    assert result.stdout == f"{png}\n"
    assert png.read_bytes().startswith(b"\x89PNG")


def test_plot_before_a_run_is_told_cleanly(make_run: MakeRun, tmp_path: Path) -> None:
    """A folder without results is a message and exit status 1."""
    result = runner.invoke(app, ["plot", str(make_run()), str(tmp_path / "x.png")])
    assert result.exit_code == 1
    assert "run the folder first" in result.stderr
    assert list(tmp_path.glob("*.png")) == []


def test_report_writes_a_page_into_the_folder(make_run: MakeRun, recorded: ModuleType, tmp_path: Path) -> None:
    """``report`` prints the path of the page; observed flow goes into it."""
    folder, flow = make_run(hours=72), tmp_path / "flow.csv"
    runner.invoke(app, ["run", str(folder)])
    flow.write_text("time,cat-2[mm d-1]\n2020-03-01,30\n2020-03-02,40\n")
    result = runner.invoke(app, ["report", str(folder), "--observed", str(flow)])
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"{folder / 'report.html'}\n"
    assert "Observed flow" in (folder / "report.html").read_text(encoding="utf-8")


def test_observed_flow_that_does_not_fit_is_told_cleanly(make_run: MakeRun, recorded: ModuleType, tmp_path: Path) -> None:
    """A file of other catchments is a message, exit status 1, and no picture."""
    folder, flow = make_run(hours=72), tmp_path / "flow.csv"
    runner.invoke(app, ["run", str(folder)])
    flow.write_text("time,cat-77[mm d-1]\n2020-03-01,30\n")
    for command in (["plot", str(folder), str(tmp_path / "x.png")], ["report", str(folder)]):
        result = runner.invoke(app, [*command, "--observed", str(flow)])
        assert result.exit_code == 1
        assert "none of its catchments (cat-77 …) is one of the " in result.stderr
    assert not (tmp_path / "x.png").exists()
    assert not (folder / "report.html").exists()
