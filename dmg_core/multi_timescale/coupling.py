"""When and from what the hourly model of a multi-timescale run starts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from dmg_core.errors import ConfigError

HOURS_PER_DAY: Final = 24

#: How the daily model comes by its state, how the hourly model starts, and what it does before it can.
DAILY_MODES: Final = ("periodic", "once", "cold", "continuous")
HOURLY_MODES: Final = ("periodic", "cold")
LEAD_INS: Final = ("simulate", "zero")


@dataclass(frozen=True)
class Coupling:
    """How the two models of a multi-timescale run are coupled.

    At a re-anchoring the hourly model takes over the stores and the network state of the daily one, as of some days ago, and runs through
    the hours since. Days are 24 hours from the first hour on.

    Parameters
    ----------
    cycle_days : int
        Days from one re-anchoring to the next.
    daily_mode : {"periodic", "once", "cold", "continuous"}
        ``periodic``: the daily model starts from nothing before each re-anchoring and runs through its window of days. ``once``: it runs
        through that window once, then goes on from its own state by the days of the cycle. ``cold``: the same without that window.
        ``continuous``: it goes on from its own state day by day, and the hourly model is anchored once only.
    daily_warmup_days : int, optional
        Window of days; by default that of the model's training.
    hourly_mode : {"periodic", "cold"}
        ``periodic``: the hourly model runs through its window of hours before each re-anchoring. ``cold``: it starts from the daily
        model's state as of now.
    hourly_warmup_hours : int, optional
        Window of hours, whole days; by default that of the model's training.
    lead_in : {"simulate", "zero"}
        What the hourly model does before it is anchored for the first time: run from default stores, or report zeros.

    Raises
    ------
    ConfigError
        If a value is none of those; the parameter is named.
    """

    cycle_days: int = 7
    daily_mode: str = "periodic"
    daily_warmup_days: int | None = None
    hourly_mode: str = "periodic"
    hourly_warmup_hours: int | None = None
    lead_in: str = "simulate"

    def __post_init__(self) -> None:
        """Refuse what is none of the modes and windows there are."""
        for name, known in (("daily_mode", DAILY_MODES), ("hourly_mode", HOURLY_MODES), ("lead_in", LEAD_INS)):
            if getattr(self, name) not in known:
                raise ConfigError(f"{name} is {getattr(self, name)!r}, expected one of {', '.join(known)}")
        for name in ("cycle_days", "daily_warmup_days", "hourly_warmup_hours"):
            value = getattr(self, name)
            optional = name != "cycle_days" and value is None
            if not optional and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise ConfigError(f"{name} is {value!r}, expected a whole number from 1{_hint(value)}")
        if self.hourly_warmup_hours is not None and self.hourly_warmup_hours % HOURS_PER_DAY:
            days = self.hourly_warmup_hours // HOURS_PER_DAY
            near = " or ".join(str(HOURS_PER_DAY * n) for n in (days, days + 1) if n)
            raise ConfigError(
                f"hourly_warmup_hours is {self.hourly_warmup_hours}, expected whole days, because the daily model hands over at the end "
                f"of one: {near}"
            )

    def with_windows(self, days: int, hours: int) -> Coupling:
        """Fill in the windows that a model was trained with, where none are given."""
        given_days, given_hours = self.daily_warmup_days, self.hourly_warmup_hours
        return replace(
            self,
            daily_warmup_days=days if given_days is None else given_days,
            hourly_warmup_hours=hours or None if given_hours is None else given_hours,
        )

    @property
    def hours(self) -> int:
        """Hours that the hourly model runs through at a re-anchoring."""
        return 0 if self.hourly_mode == "cold" else self.hourly_warmup_hours or 0

    @property
    def days(self) -> int:
        """Days that the daily model needs before the first re-anchoring."""
        return 0 if self.daily_mode == "cold" else self.daily_warmup_days or 0

    @property
    def starts_afresh(self) -> bool:
        """Whether the daily model starts from nothing before each re-anchoring, so that its days must be kept."""
        return self.daily_mode == "periodic"

    @property
    def first(self) -> int:
        """Hours before the first re-anchoring."""
        return HOURS_PER_DAY * self.days + self.hours

    def is_due(self, hours: int) -> bool:
        """Whether the hourly model is to be re-anchored after so many hours."""
        if self.daily_mode == "continuous":
            return hours == self.first
        return hours >= self.first and (hours - self.first) % (HOURS_PER_DAY * self.cycle_days) == 0


def _hint(value: object) -> str:
    """Say what would be right in the place of a part of a day."""
    return ": a day is the least that divides a cycle" if isinstance(value, float) else ""
