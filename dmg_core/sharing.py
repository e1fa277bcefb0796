"""One engine for all who name the same model in a process."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Any
from weakref import WeakValueDictionary

from dmg_core.checkpoint.config import is_multi_timescale_folder
from dmg_core.checkpoint.ensemble import is_ensemble_folder
from dmg_core.checkpoint.stamp import unchanged_reader
from dmg_core.engine.engine import Engine
from dmg_core.kept.file import PAIR, KeptStart
from dmg_core.multi_timescale.coupling import Coupling
from dmg_core.multi_timescale.engine import MultiTimescaleEngine
from dmg_core.multi_timescale.kept_pair import KeptPair
from dmg_core.spread import SPREAD_NAME, read_spread

#: Engines in use, by what makes them differ; one goes when its last catchment is let go.
_shared: WeakValueDictionary[tuple[Path, str, str, str, Coupling], Engine] = WeakValueDictionary()
_lock = Lock()


def open_engine(
    folder: str | Path,
    dtype: str = "float32",
    device: str = "cpu",
    backend: str = "auto",
    threads: int = 1,
    coupling: Coupling | None = None,
    keep_in: Path | None = None,
) -> Engine:
    """Make an engine of its own from a model folder, of whichever kind its model needs.

    Parameters
    ----------
    folder : str or Path
        Model folder.
    dtype, device, backend, threads
        See :meth:`dmg_core.Engine.from_folder`.
    coupling : Coupling, optional
        How the two models of a multi-timescale folder are coupled; as published by default. Other folders have no use for it.
    keep_in : Path, optional
        Folder where what is needed of the model to step it, and static parameters of catchments, are looked for and kept: a start that
        finds them needs no torch.

    Raises
    ------
    DmgError
        If the folder's files are damaged or do not fit together, a calibrated spread among them.
    """
    spread = read_spread(folder)
    kept = KeptStart(keep_in, Path(folder), dtype) if keep_in is not None and _may_be_kept(folder, device, backend) else None
    if kept is None:
        engine = _engine_of_its_kind(folder, dtype, device, backend, threads, coupling)
    else:
        engine = _engine_that_keeps(kept, Path(folder), dtype, threads, coupling or Coupling())
        engine.when_computed = kept.keep
    if spread is not None:
        engine.give_spread(spread, str(Path(folder) / SPREAD_NAME))
    return engine


def _may_be_kept(folder: str | Path, device: str, backend: str) -> bool:
    return device == "cpu" and backend != "torch" and Path(folder).is_dir() and not is_ensemble_folder(folder)


def _engine_of_its_kind(folder: str | Path, dtype: str, device: str, backend: str, threads: int, coupling: Coupling | None) -> Engine:
    if is_ensemble_folder(folder):
        from dmg_core.ensembles import EnsembleEngine  # needs torch

        return EnsembleEngine.of_folder(folder, dtype, device, backend, threads)
    if is_multi_timescale_folder(folder):
        return MultiTimescaleEngine.of_folder(folder, coupling or Coupling(), dtype, device, backend, threads)
    return Engine.from_folder(folder, dtype, device, backend, threads)


def _engine_that_keeps(kept: KeptStart, folder: Path, dtype: str, threads: int, coupling: Coupling) -> Engine:
    """Make an engine from what is kept, or else from the folder."""

    def read() -> Any:
        from dmg_core.loading import load_model  # needs torch
        from dmg_core.multi_timescale import load_multi_timescale_model

        return (load_multi_timescale_model if is_multi_timescale_folder(folder) else load_model)(folder, dtype)

    reload, form = unchanged_reader(folder, read), kept.form
    model: Any = form or read()
    if isinstance(form, KeptPair) or (form is None and is_multi_timescale_folder(folder)):
        parts = {name: kept.part(name) for name in PAIR}
        return MultiTimescaleEngine(model, coupling, threads=threads, reload=reload if form else None, kept=parts)
    return Engine(model, threads=threads, reload=reload, kept=kept.part(""))


def shared_engine(
    folder: str | Path,
    dtype: str = "float32",
    device: str = "cpu",
    backend: str = "auto",
    coupling: Coupling | None = None,
    keep_in: Path | None = None,
) -> Engine:
    """Return the one engine of this process for a model folder, precision, device, backend and coupling, whichever thread asks.

    Parameters
    ----------
    folder : str or Path
        Model folder.
    dtype, device, backend : str
        See :meth:`dmg_core.Engine.from_folder`.
    coupling, keep_in
        See :func:`open_engine`; of several folders to keep in, the first counts.
    """
    key = (Path(folder).resolve(), dtype, device, backend, coupling or Coupling())
    with _lock:
        engine = _shared.get(key)
        if engine is None:
            engine = _shared[key] = open_engine(key[0], dtype, device, backend, coupling=coupling, keep_in=keep_in)
    return engine
