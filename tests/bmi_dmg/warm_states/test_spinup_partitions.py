"""Tests of bmi_dmg.warm_states.spinup_partitions: a spin-up by workers is one by a single process, bit for bit."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bmi_dmg.run_plan.workers import Site
from bmi_dmg.spin_up.stretches import Stretch
from bmi_dmg.warm_states.course import Course
from bmi_dmg.warm_states.spinup_folder import spin_up_folder
from bmi_dmg.warm_states.spinup_partitions import PartitionSpunUp, SpinUpPartition, _until_alike

START = datetime(2002, 2, 1)
#: Catchments whose upstream areas, and with them their stores, differ widely, so that some settle years before others.
IDS = ("cat-1", "cat-3000", "cat-10")


@pytest.mark.parametrize("limits", [{"years": 2}, {"tolerance": 0.05}, {"tolerance": 1e-9, "years": 3}])
@pytest.mark.parametrize("before", [0, 100])
def test_states_are_those_of_one_process(
    make_own_run: Callable[..., Path], scheduler: str, caplog: pytest.LogCaptureFixture, limits: dict[str, Any], before: int
) -> None:
    """The file of states is the same byte for byte, and so is all that is told, with a number of years and up to a steady state."""
    caplog.set_level(logging.WARNING)
    folder = make_own_run(START - timedelta(days=before), 370 + before, START, 24, ids=IDS)
    one = spin_up_folder(folder, out=folder / "one.safetensors", **limits)
    said = [record.getMessage() for record in caplog.records]
    caplog.clear()
    divided = spin_up_folder(folder, out=folder / "divided.safetensors", scheduler=scheduler, **limits)
    assert divided.path.read_bytes() == one.path.read_bytes()
    assert divided.summary() == one.summary()
    assert divided.stretches == one.stretches
    assert [record.getMessage() for record in caplog.records if record.name.startswith("bmi_dmg")] == said


def test_partitions_end_in_the_first_year_in_which_all_are_settled() -> None:
    """One that was settled earlier, and is not any more when others are, is run on until all are, in no more rounds than needed."""
    settled = {"cat-1": {2, 5, 6, 7}, "cat-2": {4, 6}, "cat-3": {1, 2, 3, 4, 5, 6, 7}}
    course = Course(((Stretch(START, START + timedelta(days=365)),),), 1.0, 1, 50)
    parts = [SpinUpPartition(Site(Path("/"), (), ()), None, (catchment,), course) for catchment in settled]  # type: ignore[arg-type]

    class Stub:
        def completed(self, work: object, now: list[SpinUpPartition]) -> Iterator[tuple[SpinUpPartition, PartitionSpunUp]]:
            for part in now:
                years = min(year for year in settled[part.ids[0]] if year >= part.course.least)
                yield part, PartitionSpunUp([np.zeros(1)] * years, b"", [])

    results = _until_alike(Stub(), parts)  # type: ignore[arg-type]
    assert [len(result.changes) for result in results] == [6, 6, 6]
