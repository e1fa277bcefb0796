"""The start of the run by its realization, which ngen does not pass on to modules: told if a BMI config starts at another time."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Final

from bmi_dmg.config.bmi_config import BmiConfig
from bmi_dmg.run_folder.realization import TIME_FORMAT

_log = logging.getLogger(__name__)

#: Arguments of this process, one of which is the realization inside ngen.
_COMMAND_LINE: Final = Path("/proc/self/cmdline")

_told: set[tuple[Path, datetime, datetime]] = set()


def tell_other_start(config: BmiConfig) -> None:
    """Warn, once, of a configuration that starts at another time than the realization of the run, where that can be found.

    The model takes the hour of the day and the season from its configuration. The realization is the one on the command line of this
    process, as ngen has it, or else the only one in ``config`` of the working directory.
    """
    for path, start in _starts():
        case = path, start, config.start_time
        if start != config.start_time and case not in _told:
            _told.add(case)
            _log.warning(
                f"{config.path}: start_time is {config.start_time}, but the realization {path} starts at {start}: the model takes hours, "
                "days and seasons from start_time, so set it to the start of the run (here and in other BMI configs)"
            )


def _starts() -> Iterator[tuple[Path, datetime]]:
    files = _named_on_command_line() or _in_run_folder()
    for path in files:
        status = path.stat()
        start = _start_of(path.absolute(), status.st_mtime_ns, status.st_size)
        if start is not None:
            yield path, start


@lru_cache(maxsize=1)
def _named_on_command_line() -> tuple[Path, ...]:
    try:
        arguments = [os.fsdecode(argument) for argument in _COMMAND_LINE.read_bytes().split(b"\0")]
    except OSError:  # not Linux
        return ()
    return tuple(Path(argument).absolute() for argument in arguments if argument.endswith(".json") and Path(argument).is_file())


def _in_run_folder() -> tuple[Path, ...]:
    found = tuple(Path("config").glob("*realization*.json"))
    return found if len(found) == 1 else ()


@lru_cache(maxsize=4)
def _start_of(path: Path, modified: int, size: int) -> datetime | None:  # noqa: ARG001  # a file that has changed is another one
    """Read the start time of a realization; None if the file is none, which is for ngen to say."""
    try:
        return datetime.strptime(json.loads(path.read_text(encoding="utf-8"))["time"]["start_time"], TIME_FORMAT)
    except (OSError, ValueError, KeyError, TypeError):
        return None
