"""One engine for all who name the same model in a process."""

from __future__ import annotations

from pathlib import Path
from weakref import WeakValueDictionary

from dmg_core.engine import Engine

#: Engines in use, by what makes them differ; one goes when its last catchment is let go.
_shared: WeakValueDictionary[tuple[Path, str, str, str], Engine] = WeakValueDictionary()


def shared_engine(folder: str | Path, dtype: str = "float32", device: str = "cpu", backend: str = "auto") -> Engine:
    """Return the one engine of this process for a model folder, precision, device and backend.

    Parameters
    ----------
    folder : str or Path
        Model folder.
    dtype, device, backend : str
        See :meth:`dmg_core.Engine.from_folder`.
    """
    key = (Path(folder).resolve(), dtype, device, backend)
    engine = _shared.get(key)
    if engine is None:
        engine = _shared[key] = Engine.from_folder(key[0], dtype, device, backend)
    return engine
