"""What a run that is divided into partitions has on disk before it has ended: stores, tables, and a record of each partition that is done.

It lies in a hidden folder beside the results, and is what a run that was interrupted goes on with. A record is written when a partition is
whole, and counts as long as all that its results come from is what it was.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from bmi_dmg.driver.budget_table import Column
from bmi_dmg.driver.settings import OutputSettings
from bmi_dmg.logs import Message
from bmi_dmg.run_plan.staging import STAGED
from dmg_core.errors import StateError
from dmg_core.files import write_errors, written_whole

#: Name of the hidden folder, in each folder of results.
UNFINISHED: Final = f"{STAGED}partitions"
_PLAN_NAME: Final = "run.json"


@dataclass(frozen=True, eq=False)
class Done:
    """A partition that is whole.

    Attributes
    ----------
    budget : sequence of Column
        Water budgets of its catchments.
    failures : list of str
        What went wrong while objects were finalized.
    messages : list of Message
        What was logged.
    """

    budget: Sequence[Column]
    failures: list[str]
    messages: list[Message]


class Records:
    """Records of the partitions that are done.

    Parameters
    ----------
    folder : Path
        The hidden folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, number: int, digest: str) -> Done | None:
        """Give the record of a partition, if it is there and of the same digest."""
        path = self._path(number)
        try:
            content = json.loads(path.read_bytes())
        except (OSError, ValueError):  # not there; a record is written whole, so that another fault is no record of ours
            return None
        if content.get("digest") != digest:
            return None
        budget = [Column(column["name"], column["units"], np.array(column["values"], np.float64)) for column in content["budget"]]
        return Done(budget, content["failures"], [Message(*message) for message in content["messages"]])

    def write(self, number: int, digest: str, done: Done) -> None:
        """Write the record of a partition whose results are on disk."""
        budget = [{"name": column.name, "units": column.units, "values": column.values.tolist()} for column in done.budget]
        content = {"digest": digest, "budget": budget, "failures": done.failures, "messages": done.messages}
        with written_whole(self._path(number)) as stream:
            stream.write(json.dumps(content).encode())

    def any(self) -> bool:
        """Whether there are any."""
        return any(self._folder.glob("partition-*.json"))

    def _path(self, number: int) -> Path:
        return self._folder / f"partition-{number:06d}.json"


@dataclass(frozen=True)
class Division:
    """How a run is divided, and what it is a run of.

    Attributes
    ----------
    size : int
        Catchments of a partition; the last may have fewer.
    digest : str
        Of all that results come from, but for the BMI configs of single catchments.
    """

    size: int
    digest: str


class Unfinished:
    """The hidden folders of a run that is divided.

    Parameters
    ----------
    settings : OutputSettings
        Where results go.
    """

    def __init__(self, settings: OutputSettings) -> None:
        self.folder = settings.dataset.parent / UNFINISHED
        #: Where the catchments' CSV files grow.
        self.tables = settings.csv_folder / UNFINISHED
        self.hours, self.days = hours_store(self.folder), days_store(self.folder)
        self.records = Records(self.folder)

    def found(self) -> Division | None:
        """Read how a run that was interrupted was divided; None if there is none.

        Raises
        ------
        StateError
            If that cannot be read.
        """
        path = self.folder / _PLAN_NAME
        if not path.is_file():
            return None
        try:
            return Division(**json.loads(path.read_bytes()))
        except (OSError, ValueError, TypeError) as error:
            raise StateError(f"{path}: what is left of an unfinished run cannot be read: {error}; run without --resume") from error

    def start(self) -> None:
        """Make the folders, empty."""
        self.discard()
        for folder in {self.folder, self.tables}:
            with write_errors(folder.parent):
                folder.mkdir(parents=True)

    def keep(self, division: Division) -> None:
        """Say how the run is divided, when all is there that partitions write into: from now on it can be gone on with."""
        with written_whole(self.folder / _PLAN_NAME) as stream:
            stream.write(json.dumps(asdict(division)).encode())

    def discard(self) -> None:
        """Remove all."""
        for folder in (self.folder, self.tables):
            shutil.rmtree(folder, ignore_errors=True)


def hours_store(folder: Path) -> Path:
    """Store of the hours in a hidden folder."""
    return folder / "hours.zarr"


def days_store(folder: Path) -> Path:
    """Store of the days in a hidden folder."""
    return folder / "days.zarr"


def digest_of(parts: Iterable[Any]) -> str:
    """Hash what can be told as text, or is bytes."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(part if isinstance(part, bytes) else repr(part).encode())
        whole.update(b"\0")
    return whole.hexdigest()


def stamp_of(path: Path) -> tuple[Any, ...]:
    """Give what changes when a file does, or any file in a folder: name, time, size."""
    if path.is_dir():
        return (str(path), *sorted(_stamp(inner) for inner in path.iterdir()))
    return (str(path), *_stamp(path))


def _stamp(path: Path) -> tuple[str, int, int]:
    status = path.stat()
    return path.name, status.st_mtime_ns, status.st_size
