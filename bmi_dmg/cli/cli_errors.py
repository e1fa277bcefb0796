"""How the commands tell what is wrong, and what an interrupted one leaves."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import typer

from bmi_dmg.cli import logs
from dmg_core.errors import DmgError

_log = logging.getLogger(__name__)

#: Exit status after Ctrl-C, as of a program that its signal has ended in a shell.
INTERRUPTED: Final = 130


@contextmanager
def clean_errors(status: int = 1, *, leaves: str) -> Iterator[None]:
    """Print what is wrong with the input as a message, and exit; only errors of the software itself show a traceback.

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
        _tell(f"Error: {error}", str(error))
        raise typer.Exit(status) from error
    except KeyboardInterrupt as error:
        _tell(f"Interrupted. {leaves}", f"interrupted: {leaves}")
        raise typer.Exit(INTERRUPTED) from error


def _tell(line: str, record: str) -> None:
    """Write a line for people, or log a record where logs are for programs."""
    if logs.are_json():
        _log.error("%s", record)
    else:
        typer.echo(line, err=True)
