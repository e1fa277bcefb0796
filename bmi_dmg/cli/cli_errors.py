"""How the commands tell what is wrong."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from bmi_dmg.cli import logs
from dmg_core.errors import DmgError

_log = logging.getLogger(__name__)


@contextmanager
def clean_errors(status: int = 1) -> Iterator[None]:
    """Print what is wrong with the input as a message, and exit; only errors of the software itself show a traceback."""
    try:
        yield
    except DmgError as error:
        if logs.are_json():
            _log.error("%s", error)
        else:
            typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(status) from error
