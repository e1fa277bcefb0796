"""One engine for all who name the same model in a process."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from weakref import WeakValueDictionary

from dmg_core.checkpoint import is_ensemble_folder, is_multi_timescale_folder
from dmg_core.engine.engine import Engine
from dmg_core.ensembles import EnsembleEngine
from dmg_core.multi_timescale import Coupling, MultiTimescaleEngine
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

    Raises
    ------
    DmgError
        If the folder's files are damaged or do not fit together, a calibrated spread among them.
    """
    spread = read_spread(folder)
    engine = _engine_of_its_kind(folder, dtype, device, backend, threads, coupling)
    if spread is not None:
        engine.give_spread(spread, str(Path(folder) / SPREAD_NAME))
    return engine


def _engine_of_its_kind(folder: str | Path, dtype: str, device: str, backend: str, threads: int, coupling: Coupling | None) -> Engine:
    if is_ensemble_folder(folder):
        return EnsembleEngine.of_folder(folder, dtype, device, backend, threads)
    if is_multi_timescale_folder(folder):
        return MultiTimescaleEngine.of_folder(folder, coupling or Coupling(), dtype, device, backend, threads)
    return Engine.from_folder(folder, dtype, device, backend, threads)


def shared_engine(
    folder: str | Path, dtype: str = "float32", device: str = "cpu", backend: str = "auto", coupling: Coupling | None = None
) -> Engine:
    """Return the one engine of this process for a model folder, precision, device, backend and coupling, whichever thread asks.

    Parameters
    ----------
    folder : str or Path
        Model folder.
    dtype, device, backend : str
        See :meth:`dmg_core.Engine.from_folder`.
    coupling : Coupling, optional
        See :func:`open_engine`.
    """
    key = (Path(folder).resolve(), dtype, device, backend, coupling or Coupling())
    with _lock:
        engine = _shared.get(key)
        if engine is None:
            engine = _shared[key] = open_engine(key[0], dtype, device, backend, coupling=coupling)
    return engine
