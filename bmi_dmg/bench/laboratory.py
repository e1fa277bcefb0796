"""Runs the scripts that measure, each in a process of its own, so that none warms or burdens what the next one measures."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import numpy as np

import bmi_dmg
from bmi_dmg.bench import prepared_start
from bmi_dmg.bench.black_box import Job, Measured
from bmi_dmg.bench.domain import Domain
from bmi_dmg.bench.sizes import Sizes
from dmg_core.errors import DmgError

OUTPUT: Final = "land_surface_water__runoff_volume_flux"
_SCRIPTS: Final = Path(__file__).parent


class BenchError(DmgError):
    """Raise if something cannot be measured."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A BMI class with configs: what is measured.

    Attributes
    ----------
    python : str
        Interpreter.
    python_type : str
        ``module.Class``; empty for one that does nothing.
    configs : callable
        Gives paths of BMI configs, so many as asked for.
    model : str
        Which of the models (:data:`bmi_dmg.bench.domain.MODELS`).
    warm_up_hours : int
        Hours from the end of the first day until it steps as it will ever after.
    aliases : mapping of str to str
        Names to add to the module's tables; see :mod:`bmi_dmg.bench.black_box`.
    """

    python: str
    python_type: str
    configs: Callable[[int], list[str]]
    model: str
    warm_up_hours: int = 48
    aliases: Mapping[str, str] = field(default_factory=dict)

    @property
    def daily(self) -> bool:
        """Whether the model computes once a day; else every hour."""
        return self.model == "daily"


@dataclass(frozen=True)
class Laboratory:
    """A place to measure in.

    Attributes
    ----------
    domain : Domain
        Files.
    sizes : Sizes
        How much is measured.
    """

    domain: Domain
    sizes: Sizes

    def measure(
        self, subject: Subject, count: int, *, hours: int = 0, repeats: int = 0, split_days: int = 0, cache: Path | None = None
    ) -> Measured:
        """Measure ``count`` objects of a subject in a new process.

        Parameters
        ----------
        subject : Subject
            What.
        count : int
            How many objects.
        hours, repeats, split_days : int
            See :class:`bmi_dmg.bench.black_box.Job`.
        cache : Path, optional
            Folder of compiled code; by default :meth:`cache_of` the subject's model.

        Raises
        ------
        BenchError
            If the subject fails.
        """
        job = Job(
            result=str(self._new_file()),
            python_type=subject.python_type,
            aliases=dict(subject.aliases),
            configs=subject.configs(count),
            inputs=list(self.domain.inputs),
            output=OUTPUT,
            weather=str(self.domain.weather),
            warm_up_hours=subject.warm_up_hours if repeats or split_days else 0,
            hours=hours,
            repeats=repeats,
            split_days=split_days,
        )
        measured: Measured = self.run("black_box", job, python=subject.python, cache=cache or self.cache_of(subject.model))
        return measured

    def run(self, script: str, job: Mapping[str, Any], *, cache: Path, python: str = sys.executable) -> Any:
        """Run a script of this package on a job and return what it writes to the job's ``result``.

        Raises
        ------
        BenchError
            If it fails.
        """
        order = self._new_file()
        order.write_text(json.dumps(job), encoding="utf-8")
        command = [python, str(_SCRIPTS / f"{script}.py"), str(order)]
        environment = _environment(cache, own=python == sys.executable)
        ended = subprocess.run(command, env=environment, cwd=self.domain.folder, capture_output=True, text=True, check=False)
        result = Path(job["result"])
        if not result.is_file():
            raise BenchError(f"{python} could not run the measurement, exit status {ended.returncode}: {ended.stderr[-500:].strip()}")
        outcome = json.loads(result.read_text(encoding="utf-8"))
        if "failed" in outcome:
            raise BenchError(outcome["failed"])
        return outcome

    def prepared_start(self, subject: Subject, count: int) -> prepared_start.Measured:
        """Measure the start of ``count`` catchments in a new process that finds what earlier ones have kept.

        Raises
        ------
        BenchError
            If the subject fails.
        """
        hour = np.load(self.domain.weather, mmap_mode="r")[0, 0].tolist()
        job = prepared_start.Job(
            result=str(self._new_file()),
            configs=subject.configs(count),
            inputs=dict(zip(self.domain.inputs, hour, strict=True)),
            started=time.time(),
        )
        measured: prepared_start.Measured = self.run("prepared_start", job, cache=self.cache_of(subject.model))
        return measured

    def forget(self, subject: Subject) -> None:
        """Remove what starts have kept beside the configs of a subject: the next one computes static parameters."""
        for file in Path(subject.configs(1)[0]).parent.glob("static_parameters.*.safetensors"):
            file.unlink()

    def cache_of(self, model: str) -> Path:
        """Folder of compiled code that all processes with a model share."""
        return self.domain.folder / f"compiled-{model}"

    def new_cache(self) -> Path:
        """Folder of compiled code that is empty."""
        return self.domain.folder / f"compiled-{uuid4().hex}"

    def _new_file(self) -> Path:
        return self.domain.folder / f"{uuid4().hex}.json"


def spread_of(values: Sequence[float]) -> dict[str, float]:
    """Median, least and largest of repeated measurements."""
    return {"median": statistics.median(values), "low": min(values), "high": max(values), "repeats": len(values)}


def _environment(cache: Path, *, own: bool) -> dict[str, str]:
    """Environment of a process that measures: one thread each, as in a framework that starts a process for each core."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache), "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONSAFEPATH": "1"}
    # The package that is running is the one to measure, wherever it lies; another interpreter is to see its own packages alone.
    environment.pop("PYTHONPATH", None)
    if own:
        environment["PYTHONPATH"] = str(Path(bmi_dmg.__file__).parents[1])
    return environment
