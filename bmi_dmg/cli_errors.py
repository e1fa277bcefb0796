"""How the commands tell what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from dmg_core.errors import DmgError


@contextmanager
def clean_errors(status: int = 1) -> Iterator[None]:
    """Print what is wrong with the input as a message, and exit; only errors of the software itself show a traceback."""
    try:
        yield
    except DmgError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(status) from error
