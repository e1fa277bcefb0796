"""How the commands tell what is wrong, and what an interrupted one leaves."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NoReturn

import typer

from bmi_dmg import logs
from bmi_dmg.cli.missing import missing_package
from dmg_core.errors import DmgError

_log = logging.getLogger(__name__)

#: Exit status after Ctrl-C, as of a program that its signal has ended in a shell.
INTERRUPTED: Final = 130


@contextmanager
def clean_errors(status: int = 1, *, leaves: str) -> Iterator[None]:
    """Print what is wrong with the input or the machine as a message, and exit; only errors of the software itself show a traceback.

    What is wrong with the machine is what the operating system says of a file, and a package that is not installed or cannot be loaded.

    Parameters
    ----------
    status : int
        Exit status of an error.
    leaves : str
        What is left when the command is interrupted by Ctrl-C in the block, and how to go on.
    """
    try:
        yield
    except DmgError as error:
        _fail(str(error), status, error)
    except ImportError as error:
        _fail(missing_package(error), status, error)
    except OSError as error:
        if error.errno == errno.EPIPE:  # whoever read the output has had enough
            raise
        _fail(f"{error.filename}: {error.strerror}" if error.filename is not None else str(error), status, error)
    except KeyboardInterrupt as error:
        _tell(f"Interrupted. {leaves}", f"interrupted: {leaves}")
        raise typer.Exit(INTERRUPTED) from error


def _fail(message: str, status: int, error: Exception) -> NoReturn:
    _tell(f"Error: {message}", message)
    raise typer.Exit(status) from error


def _tell(line: str, record: str) -> None:
    """Write a line for people, or log a record where logs are for programs."""
    if logs.are_json():
        _log.error("%s", record)
    else:
        typer.echo(line, err=True)
