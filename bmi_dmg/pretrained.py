"""Trained models that come with this package."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from dmg_core.checkpoint import members_of, read_checkpoint

CONUS_DAILY: Final = "conus-daily"
#: Where they are: in an installed package, in a copy of the sources.
PLACES: Final = (Path(__file__).parent / "models", Path(__file__).parents[1] / "configs" / "models")


def shipped_model(name: str = CONUS_DAILY) -> Path:
    """Give the folder of a pretrained model.

    Parameters
    ----------
    name : str
        Such as ``conus-daily``: δHBV 2.0, daily, for any NextGen folder in the conterminous United States; its ``README.md`` says what it
        was trained on and where not to trust it.

    Raises
    ------
    FileNotFoundError
        If the package lacks it.
    """
    for folder in (place / name for place in PLACES):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"the model {name} is missing in {' and '.join(map(str, PLACES))}; the package is not complete")


def copy_shipped_model(folder: Path, name: str = CONUS_DAILY) -> Path:
    """Copy a pretrained model, so that a run folder holds all it needs wherever it is moved to.

    Parameters
    ----------
    folder : Path
        Where to; what is there already is checked and left as it is.
    name : str
        See :func:`shipped_model`.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    CheckpointError
        If something else, or a damaged model, is there.
    """
    if folder.exists():
        for member, _ in members_of(folder):
            read_checkpoint(member)
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".unfinished-", dir=folder.parent) as unfinished:
        shutil.copytree(shipped_model(name), Path(unfinished) / name).rename(folder)
    return folder
