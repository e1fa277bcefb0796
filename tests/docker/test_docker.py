"""What can be proved of the container's files without a container engine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

Instructions = list[tuple[str, str]]

#: A stand-in for the docker program: it writes down how it was called and ends with the status it is told.
FAKE_DOCKER = """#!/bin/sh
printf '%s\\n' "$*" >> "$DOCKER_CALLS"
case "$*" in *" check /ngen/ngen/data") exit "${CHECK_STATUS:-0}" ;; esac
"""


def _lint(*command: str | Path) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_dockerfile_is_clean(root: Path, scripts: Path) -> None:
    """Hadolint has nothing to say of the Dockerfile."""
    _lint(scripts / "hadolint", root / "docker" / "Dockerfile")


def test_shell_script_is_clean(root: Path, scripts: Path) -> None:
    """Nor has shellcheck of run.sh."""
    _lint(scripts / "shellcheck", root / "docker" / "run.sh")


def test_base_image_is_an_argument(instructions: Instructions) -> None:
    """The image to build on can be chosen, and is NGIAB's unless it is."""
    assert instructions[:2] == [("ARG", "BASE_IMAGE=awiciroh/ciroh-ngen-image:latest"), ("FROM", "${BASE_IMAGE}")]


def test_entry_point_is_that_of_the_base_image(instructions: Instructions) -> None:
    """The image is used as NGIAB's own."""
    assert not {"ENTRYPOINT", "CMD"} & {name for name, _ in instructions}


def test_what_is_copied_is_in_the_build_context(root: Path, instructions: Instructions) -> None:
    """The context lets through what the Dockerfile copies, and nothing else."""
    (arguments,) = (arguments for name, arguments in instructions if name == "COPY")
    wanted = {re.sub(r"bmi_dmg-\*", "*", source) for source in arguments.split()[:-1]}
    lines = [line for line in (root / ".dockerignore").read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    assert {line.removeprefix("!") for line in lines[1:]} == wanted


def test_pins_of_ngiab_are_kept(root: Path, install_line: str) -> None:
    """The install line is bound by the pins, and by the numpy that ngen was built with."""
    pins = [line for line in (root / "docker" / "constraints.txt").read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    assert pins == ["numpy<2", "netCDF4==1.6.3", "pydantic<2", "pandas<3"]
    assert "--constraint /tmp/bmi_dmg/constraints.txt" in install_line
    assert "grep '^numpy==' > /tmp/bmi_dmg/built-with.txt" in install_line
    assert "--constraint /tmp/bmi_dmg/built-with.txt" in install_line


def test_compose_mounts_what_the_image_expects(root: Path, instructions: Instructions) -> None:
    """Run folder, model folder and compiled code lie where Dockerfile and run.sh have them, and named volumes are declared."""
    compose = yaml.safe_load((root / "docker" / "compose.yaml").read_text(encoding="utf-8"))
    service = compose["services"]["ngen"]
    places = {volume.rsplit(":", 1)[1] for volume in service["volumes"]}
    environment = dict(arguments.split("=", 1) for name, arguments in instructions if name == "ENV")
    assert places == {"/ngen/ngen/data", "/ngen/ngen/extern/bmi_dmg/model", environment["NUMBA_CACHE_DIR"]}
    assert set(compose["volumes"]) == {"no_model", "compiled"}
    assert service["build"]["args"]["BASE_IMAGE"] == "${BASE_IMAGE:-awiciroh/ciroh-ngen-image:latest}"
    assert (root / "docker" / service["build"]["context"] / service["build"]["dockerfile"]).resolve() == root / "docker" / "Dockerfile"


def test_compiled_code_can_be_written_by_its_owner_alone(instructions: Instructions, tmp_path: Path) -> None:
    """What the image's processes load and execute is readable for all and writeable for nobody else, whatever it was before."""
    (line,) = (arguments for name, arguments in instructions if name == "RUN" and ".compiled" in arguments)
    folder = tmp_path / ".compiled"
    folder.mkdir()
    folder.chmod(0o777)
    (folder / "kernel.nbc").touch()
    (folder / "kernel.nbc").chmod(0o666)
    (command,) = (part for part in line.split(" && ") if part.startswith("chmod"))
    subprocess.run(command.replace("/ngen/ngen/extern/bmi_dmg/.compiled", str(folder)).split(), check=True)
    assert oct(folder.stat().st_mode & 0o777) == "0o755"
    assert oct((folder / "kernel.nbc").stat().st_mode & 0o777) == "0o644"


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """A folder with the names of a run folder's files."""
    folder = tmp_path / "my run"
    for name in ("config/subset.gpkg", "config/realization.json", "forcings/forcings.nc", "model/config.yaml"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def _run(root: Path, tmp_path: Path, *arguments: str | Path, **environment: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Call run.sh with a stand-in for docker; give its result and docker's calls."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "docker").write_text(FAKE_DOCKER, encoding="utf-8")
    (programs / "docker").chmod(0o755)
    calls = tmp_path / "calls"
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "DOCKER_CALLS": str(calls), **environment}
    bash = shutil.which("bash")
    assert bash is not None
    result = subprocess.run(
        [bash, root / "docker" / "run.sh", *arguments], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    return result, calls.read_text(encoding="utf-8").splitlines() if calls.exists() else []


def test_run_checks_the_folder_and_runs_ngen(root: Path, tmp_path: Path, run_folder: Path) -> None:
    """With one process ngen's serial program is run on the folder's files, after a check."""
    result, (check, run) = _run(root, tmp_path, "-d", run_folder)
    assert result.returncode == 0, result.stderr
    assert check.endswith("--entrypoint /ngen/.venv/bin/bmi-dmg ngiab-bmi-dmg check /ngen/ngen/data")
    assert f"--volume {run_folder}:/ngen/ngen/data" in run
    gpkg = "config/subset.gpkg all"
    assert run.endswith(f"--entrypoint /dmod/bin/ngen-serial ngiab-bmi-dmg {gpkg} {gpkg} config/realization.json")
    assert (run_folder / "outputs" / "ngen").is_dir()
    assert result.stdout == f"Results: {run_folder}/outputs\n"


def test_run_with_ranks_uses_ngiabs_entry_point(root: Path, tmp_path: Path, run_folder: Path) -> None:
    """With more processes NGIAB's own entry point partitions and runs; a model folder is mounted where configs name it."""
    result, (_, run) = _run(root, tmp_path, "-d", run_folder, "-m", run_folder / "model", "-n", "4", "-i", "mine:1")
    assert result.returncode == 0, result.stderr
    assert f"--volume {run_folder}/model:/ngen/ngen/extern/bmi_dmg/model:ro" in run
    assert run.endswith("mine:1 /ngen/ngen/data auto 4")


@pytest.mark.parametrize(("status", "runs"), [(1, True), (2, False), (125, False)])
def test_errors_of_the_check_stop_the_run(root: Path, tmp_path: Path, run_folder: Path, status: int, runs: bool) -> None:
    """Warnings do not keep a folder from being run; errors, and a container that does not start, do."""
    result, calls = _run(root, tmp_path, "-d", run_folder, CHECK_STATUS=str(status))
    assert len(calls) == 1 + runs
    assert (result.returncode == 0) == runs


@pytest.mark.parametrize("missing", ["forcings", "config/subset.gpkg", "config/realization.json"])
def test_incomplete_folders_are_refused(root: Path, tmp_path: Path, run_folder: Path, missing: str) -> None:
    """What is missing is named, and docker is not called."""
    path = run_folder / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    result, calls = _run(root, tmp_path, "-d", run_folder)
    assert result.returncode == 1
    assert result.stderr.startswith("Error: ")
    assert path.suffix in result.stderr
    assert calls == []


@pytest.mark.parametrize("arguments", [[], ["-x"], ["-n", "2"]])
def test_wrong_arguments_show_the_usage(root: Path, tmp_path: Path, arguments: list[str]) -> None:
    """Arguments that make no sense are answered with the usage on stderr and status 2."""
    result, _ = _run(root, tmp_path, *arguments)
    assert result.returncode == 2
    assert "Usage: run.sh -d RUN_FOLDER" in result.stderr
