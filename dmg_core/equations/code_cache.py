"""Compiled code on disk, loaded only if it is what was written.

Numba loads what its files hold and lets the processor run it: a flipped bit would end the process, or change numbers. So each file begins
with a digest of what follows, which is looked at before anything else. Damage, or lack of room, costs a compilation, not the run.
"""

from __future__ import annotations

import hashlib
import io
import logging
import pickle
from pathlib import Path
from typing import Any, Final

import numba
from numba.core.caching import FunctionCache, IndexDataCacheFile

_log = logging.getLogger(__name__)

#: Of the files, as part of their names: files of another form are none of ours.
FORMAT: Final = "sha256"

_DIGEST_SIZE: Final = hashlib.sha256().digest_size

#: Of numba: how it keeps a function, finds the folder that NUMBA_CACHE_DIR names, and the others it tries. It has no types for them.
_config: Any = numba.config
_Numbas: Any = FunctionCache._impl_class
_NamedFolder: Any
_NamedFolder, *_OTHERS = _Numbas._locator_classes


class _PreparedFolder(_NamedFolder):  # type: ignore[misc]
    """The folder that NUMBA_CACHE_DIR names, where it may only be read: numba itself wants to write into it."""

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> _PreparedFolder | None:
        """Take the folder if there is compiled code of this function in it."""
        if not _config.CACHE_DIR or not Path(py_file).exists():
            return None
        self = cls(py_func, py_file)
        return self if any(Path(self.get_cache_path()).glob(f"*.{py_func.__qualname__}-*.nbi")) else None


class _Places(_Numbas):  # type: ignore[misc]
    """Where compiled code is looked for."""

    _locator_classes = (_NamedFolder, _PreparedFolder, *_OTHERS)


class _CheckedFiles(IndexDataCacheFile):
    """Index and data files of one function, each with a digest in front."""

    def _load_index(self) -> dict[Any, str]:
        content = _checked_content(Path(self._index_path))
        if content is None:
            return {}
        stream = io.BytesIO(content)
        if pickle.load(stream) != self._version:
            return {}
        stamp, overloads = pickle.load(stream)
        return dict(overloads) if stamp == self._source_stamp else {}

    def _save_index(self, overloads: dict[Any, str]) -> None:
        self._save_checked(self._index_path, pickle.dumps(self._version) + self._dump((self._source_stamp, overloads)))

    def _load_data(self, name: str) -> Any:
        content = _checked_content(Path(self._data_path(name)))
        return None if content is None else pickle.loads(content)

    def _save_data(self, name: str, data: Any) -> None:
        self._save_checked(self._data_path(name), self._dump(data))

    def _save_checked(self, path: str, content: bytes) -> None:
        with self._open_for_write(path) as stream:
            stream.write(hashlib.sha256(content).digest() + content)


def _checked_content(path: Path) -> bytes | None:
    """Give what is in a file behind its digest; nothing if there is no file, or if it is damaged."""
    try:
        whole = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        _log.warning("compiled code cannot be read and is made anew: %s", error)
        return None
    digest, content = whole[:_DIGEST_SIZE], whole[_DIGEST_SIZE:]
    if hashlib.sha256(content).digest() != digest:
        _log.warning("compiled code in %s is damaged and is made anew", path)
        return None
    return content


class CodeCache(FunctionCache):
    """Compiled code of one function.

    Parameters
    ----------
    function : function
        The plain Python function.

    Raises
    ------
    RuntimeError
        If there is no folder for it, as numba's own cache does.
    """

    _impl_class = _Places

    def __init__(self, function: Any) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call]
        self._cache_file = _CheckedFiles(self._cache_path, self._impl.filename_base, self._impl.locator.get_source_stamp())

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep compiled code, if there is room."""
        try:
            super().save_overload(sig, data)  # type: ignore[no-untyped-call]
        except OSError as error:
            _log.warning("compiled code cannot be kept in %s and is made anew at every start: %s", self.cache_path, error)


def cache_folder() -> Path:
    """Folder in which compiled code of this package is kept; it need not be there yet."""
    return Path(CodeCache(cache_folder).cache_path)
