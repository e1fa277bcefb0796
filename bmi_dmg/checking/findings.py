"""What a check has found: how bad it is, where it is, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Final, ParamSpec, TypeVar

from bmi_dmg.run_folder.realization import TIME_FORMAT
from dmg_core.errors import DmgError

MAX_LISTED: Final = 10

P = ParamSpec("P")
T = TypeVar("T")


class Severity(str, Enum):
    """How bad a finding is."""

    #: The run would fail, or give wrong results without a word.
    ERROR = "error"
    #: The run would work, but results may not be what they seem.
    WARNING = "warning"
    #: Good to know.
    NOTE = "note"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong, or worth a look.

    Attributes
    ----------
    severity : Severity
        How bad it is.
    kind : str
        A short name for this sort of finding that does not change.
    message : str
        What was found; it names the file.
    place : str
        The file or folder.
    remedy : str
        What to do.
    catchments : tuple of str
        All catchments concerned, if it concerns some of them.
    variable : str or None
        The variable, attribute or key.
    time : datetime or None
        When it is so for the first time.
    """

    severity: Severity
    kind: str
    message: str
    place: str
    remedy: str
    catchments: tuple[str, ...] = ()
    variable: str | None = None
    time: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return {
            "severity": self.severity.value,
            "kind": self.kind,
            "message": self.message,
            "place": self.place,
            "catchments": list(self.catchments),
            "variable": self.variable,
            "time": None if self.time is None else self.time.strftime(TIME_FORMAT),
            "remedy": self.remedy,
        }


class Findings:
    """What has been found so far.

    Attributes
    ----------
    found : list of Finding
        In the order they were found.
    """

    def __init__(self) -> None:
        self.found: list[Finding] = []

    @property
    def errors(self) -> list[Finding]:
        """Those that keep a folder from being run."""
        return [finding for finding in self.found if finding.severity is Severity.ERROR]

    def error(self, kind: str, message: str, place: object, remedy: str, **details: Any) -> None:
        """Note an error; the details are further fields of :class:`Finding`."""
        self._add(Severity.ERROR, kind, message, place, remedy, details)

    def warning(self, kind: str, message: str, place: object, remedy: str, **details: Any) -> None:
        """Note a warning."""
        self._add(Severity.WARNING, kind, message, place, remedy, details)

    def note(self, kind: str, message: str, place: object, remedy: str, **details: Any) -> None:
        """Note what is good to know."""
        self._add(Severity.NOTE, kind, message, place, remedy, details)

    def _add(self, severity: Severity, kind: str, message: str, place: object, remedy: str, details: dict[str, Any]) -> None:
        if message not in {finding.message for finding in self.found}:
            self.found.append(Finding(severity=severity, kind=kind, message=message, place=str(place), remedy=remedy, **details))

    def attempt(self, subject: Subject, do: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """Do something; if it fails on purpose, note the error and give None."""
        try:
            return do(*args, **kwargs)
        except DmgError as error:
            self.error(subject.kind, str(error), subject.place, subject.remedy)
            return None


@dataclass(frozen=True)
class Subject:
    """What an attempt is about, for the finding if it fails.

    Attributes
    ----------
    kind : str
        Kind of the finding.
    place : object
        File or folder.
    remedy : str
        What to do.
    """

    kind: str
    place: object
    remedy: str


def listing(catchments: Sequence[str]) -> str:
    """Name some catchments in a message: the first ones, and how many more there are."""
    if len(catchments) <= MAX_LISTED:
        return ", ".join(catchments)
    return f"{', '.join(catchments[:MAX_LISTED])} and {len(catchments) - MAX_LISTED} more"
