"""What the commands tell on stderr while they work: plain lines for people, or one JSON object a line for programs."""

from __future__ import annotations

import json
import logging
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from logging.handlers import QueueHandler
from typing import NamedTuple, TextIO


class _StderrHandler(logging.Handler):
    """Writes to whatever ``sys.stderr`` is at the time, so that a progress bar can make room."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()
        except Exception:  # noqa: BLE001 - a handler never breaks what it tells of; logging's own way to report it
            self.handleError(record)


class PlainFormatter(logging.Formatter):
    """``Warning: message``."""

    def format(self, record: logging.LogRecord) -> str:
        """Give a line, followed by the traceback if there is one."""
        return f"{record.levelname.capitalize()}: {super().format(record)}"


class JsonFormatter(logging.Formatter):
    """One JSON object with ``time`` (UTC), ``level``, ``logger`` and ``message``, and with ``traceback`` if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Give one line."""
        fields = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=False)


def set_up(*, as_json: bool) -> None:
    """Send the logs of this process, warnings of :mod:`warnings` among them, to stderr.

    Parameters
    ----------
    as_json : bool
        One JSON object a line, from level info on; else plain lines, from warning on.
    """
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _StderrHandler)]:
        root.removeHandler(handler)
    handler = _StderrHandler()
    handler.setFormatter(JsonFormatter() if as_json else PlainFormatter())
    root.addHandler(handler)
    root.setLevel(logging.INFO if as_json else logging.WARNING)
    capture_warnings()


def are_json() -> bool:
    """Whether :func:`set_up` has been asked for JSON."""
    return any(isinstance(handler.formatter, JsonFormatter) for handler in logging.getLogger().handlers)


def capture_warnings() -> None:
    """Make log records, of the logger ``py.warnings``, of what :func:`warnings.warn` is told."""
    warnings.showwarning = _log_warning


def _log_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,  # noqa: ARG001 - as warnings.showwarning has it
    line: str | None = None,  # noqa: ARG001
) -> None:
    """Log a warning; where in the code it was given says something only if it is not one of ours."""
    text = str(message) if category is UserWarning else f"{filename}:{lineno}: {category.__name__}: {message}"
    logging.getLogger("py.warnings").warning("%s", text)


class Message(NamedTuple):
    """What was logged in another process.

    Attributes
    ----------
    logger : str
        Name of the logger.
    level : int
        Level.
    text : str
        The message, with a traceback if there was one.
    """

    logger: str
    level: int
    text: str


class _Keeping(QueueHandler):
    """Keeps what is logged instead of telling it."""

    def __init__(self, kept: list[Message]) -> None:
        super().__init__(kept)  # type: ignore[arg-type]  # only enqueue uses it
        self._kept = kept

    def enqueue(self, record: logging.LogRecord) -> None:
        """Keep a record whose text is complete, and so can be sent."""
        if not record.name.startswith("distributed"):
            self._kept.append(Message(record.name, record.levelno, record.getMessage()))


@contextmanager
def messages_kept() -> Iterator[list[Message]]:
    """Keep what is logged in the block, for another process to tell."""
    kept: list[Message] = []
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers, handler = [], _Keeping(kept)
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    capture_warnings()
    try:
        yield kept
    finally:
        root.handlers = handlers
        root.setLevel(level)


def tell_once(messages: Iterable[Message], told: set[Message]) -> None:
    """Log what other processes have logged; what several say in the same words is told once."""
    for message in messages:
        logger = logging.getLogger(message.logger)
        if message not in told and logger.isEnabledFor(message.level):
            logger.log(message.level, "%s", message.text)
        told.add(message)
