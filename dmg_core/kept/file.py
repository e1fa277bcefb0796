"""The file that a start reads in place of a model's weights and networks, as long as it belongs to the model folder.

It holds what an engine needs to step the model, and static parameters of catchments with the attributes that they follow from. What does
not belong together, or is damaged, is told and computed anew; the file is then replaced, whole, by one process at a time.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from dmg_core.engine.engine import Engine
from dmg_core.engine.kept_rows import KeptPart, KeptRow, StaticRow
from dmg_core.equations.kept_tapes import is_of_package
from dmg_core.errors import DmgError
from dmg_core.files import alone_in, written_whole
from dmg_core.kept.belonging import digests_of, is_same_folder, stamps_of, way_of_computing
from dmg_core.kept.forms import read_form, read_pair, written_form, written_pair
from dmg_core.model_form import KeptForm
from dmg_core.multi_timescale.kept_pair import KeptPair

if TYPE_CHECKING:
    from dmg_core.model import DeltaModel

Array = npt.NDArray[Any]

_log = logging.getLogger(__name__)

#: Of the file; one of another form is none of ours.
FORMAT: Final = "1"
#: Engines of a model whose static parameters are kept apart.
WHOLE, PAIR = ("",), ("hourly", "daily")
#: Arrays of rows, besides their digests.
_ROWS: Final = ("attributes", *StaticRow._fields)
#: Rows up to which all are read at once; of more, a process of many that share a run reads its own.
MOST_IN_MEMORY: Final = 10_000
#: Share of its time that a process spends on keeping.
_MOST_OF_TIME: Final = 0.05

#: Files that are told of once in a process.
_told: set[Path] = set()


class KeptStart:
    """What is kept of a model for a start, beside the configurations of a run.

    Parameters
    ----------
    folder : Path
        Where the file is, or shall be.
    model_folder : Path
        The model's.
    dtype : str
        Precision of the network.

    Attributes
    ----------
    path : Path
        The file: named after model folder and precision, so that several may stand side by side.
    form : KeptForm or KeptPair or None
        What is kept of the model; None if there is nothing, or it belongs to another.
    parts : dict of str to KeptPart
        Static parameters, by the engine they belong to: ``""``, or ``hourly`` and ``daily``.
    """

    def __init__(self, folder: Path, model_folder: Path, dtype: str) -> None:
        self.path = folder / f"static_parameters.{model_folder.name}.{dtype}.safetensors"
        self._model_folder, self._dtype, self._stamps = model_folder, dtype, stamps_of(model_folder)
        self.form: KeptForm | KeptPair | None = None
        self._head: tuple[str, dict[str, Array]] | None = None
        self._not_before = 0.0
        self.parts: dict[str, KeptPart] = {}
        try:
            self._take_up()
        except (OSError, SafetensorError, DmgError, ValueError, KeyError, TypeError) as error:
            self._head, self.form, self.parts = None, None, {}
            self._tell(logging.WARNING, f"cannot be used, and static parameters are computed anew: {error}")

    def _take_up(self) -> None:
        """Read the file, if there is one that belongs to the model."""
        if not self.path.is_file():
            return
        handle = safe_open(self.path, framework="np")
        head, arrays = _read_head(handle)
        if head["written_by"] != self._written_by() or not is_same_folder(
            self._model_folder, head["stamps"], head["digests"], head["written"]
        ):
            self._tell(logging.INFO, "was kept of another model, or another version of it: static parameters are computed anew")
            return
        self._head = str(_metadata(handle)["head"]), arrays
        self.form = (read_pair if head["kind"] == "pair" else read_form)(head["model"], arrays)
        self.parts = _read_parts(handle, str(self.path))

    def _written_by(self) -> list[str]:
        return [FORMAT, self._dtype, way_of_computing()]

    def _tell(self, level: int, what: str) -> None:
        if self.path not in _told:
            _told.add(self.path)
            _log.log(level, "%s %s", self.path, what)

    def part(self, name: str) -> KeptPart:
        """Give the static parameters of an engine, none if none are kept."""
        return self.parts.setdefault(name, KeptPart({}, None, str(self.path)))

    def keep(self, engine: Engine) -> None:
        """Write what was computed since, into the file; where that cannot be, it is told and left.

        Parameters
        ----------
        engine : Engine
            That of the model; a model or equations of a user's own are not kept.
        """
        has_news = self._head is None or any(part.new for part in self.parts.values())
        if not has_news or time.monotonic() < self._not_before:
            return
        started = time.monotonic()
        try:
            head = self._head or self._described(engine)
            if head is not None:
                with alone_in(self.path.parent):
                    self._write(*head)
                self._head = head
        except OSError as error:
            self._tell(logging.INFO, f"cannot be written, so that the next start computes static parameters anew: {error}")
        except (TypeError, ValueError) as error:  # options of a model that no document can hold
            self._tell(logging.INFO, f"cannot hold this model: {error}")
        self._not_before = time.monotonic() + (time.monotonic() - started) / _MOST_OF_TIME if self._head else float("inf")

    def _described(self, engine: Engine) -> tuple[str, dict[str, Array]] | None:
        """Write down the model, if it is one that is kept, and its folder is what it was when it was read."""
        model: Any = engine.whole_model()
        is_pair = hasattr(model, "hourly")
        if not engine.is_compiled or not all(_is_of_package(each) for each in ((model.hourly, model.daily) if is_pair else (model,))):
            return None
        digests = digests_of(self._model_folder, self._stamps)
        if stamps_of(self._model_folder) != self._stamps:
            return None
        document, arrays = (written_pair if is_pair else written_form)(model)
        head = {
            "written_by": self._written_by(),
            "stamps": self._stamps,
            "digests": digests,
            "written": time.time_ns(),
            "kind": "pair" if is_pair else "one",
            "model": document,
        }
        return json.dumps(head), {name: np.ascontiguousarray(array) for name, array in arrays.items()}

    def _write(self, head: str, arrays: dict[str, Array]) -> None:
        """Replace the file by one that has the rows of this process, and all others that it had."""
        rows = self._rows_of_others(head)
        for name, part in self.parts.items():
            rows.setdefault(name, {}).update(part.new)
        tensors = {f"head/{name}": array for name, array in arrays.items()}
        for name, kept in rows.items():
            tensors |= {f"rows/{name}/{key}": array for key, array in _stacked(kept).items()}
        metadata = {"head": head, "digest": _digest(head, arrays), "ids": json.dumps({name: list(kept) for name, kept in rows.items()})}
        with written_whole(self.path) as stream:
            stream.write(save(tensors, metadata))
        for part in self.parts.values():
            part.new = {}

    def _rows_of_others(self, head: str) -> dict[str, dict[str, KeptRow]]:
        """Read what the file has now, written by whichever process, if it belongs to the same model."""
        try:
            handle = safe_open(self.path, framework="np")
            there, _ = _read_head(handle)
            ours = json.loads(head)
            if any(there[key] != ours[key] for key in ("written_by", "digests", "model")):
                return {}
            parts = _read_parts(handle, str(self.path))
        except (OSError, SafetensorError, ValueError, KeyError, TypeError):
            return {}
        return {name: {one: row for one in part.places if (row := part.row(one))} for name, part in parts.items()}


def _metadata(handle: Any) -> dict[str, str]:
    return dict(handle.metadata() or {})


def _read_head(handle: Any) -> tuple[dict[str, Any], dict[str, Array]]:
    metadata = _metadata(handle)
    arrays = {name.removeprefix("head/"): handle.get_tensor(name) for name in handle.keys() if name.startswith("head/")}  # noqa: SIM118
    if _digest(metadata.get("head", ""), arrays) != metadata.get("digest"):
        raise ValueError("what it holds of the model is damaged")
    head: dict[str, Any] = json.loads(metadata["head"])
    return head, arrays


def _digest(head: str, arrays: Mapping[str, Array]) -> str:
    digest = hashlib.sha256(head.encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"\0{name} {array.dtype} {array.shape}\0".encode())
        digest.update(array.data)
    return digest.hexdigest()


def _read_parts(handle: Any, where: str) -> dict[str, KeptPart]:
    parts = {}
    for name, ids in json.loads(_metadata(handle)["ids"]).items():
        read = handle.get_tensor if len(ids) <= MOST_IN_MEMORY else handle.get_slice
        columns = [read(f"rows/{name}/{key}") for key in (*_ROWS, "digests")]
        places = {one: place for place, one in enumerate(ids)}
        parts[name] = KeptPart(places, partial(_read_row, columns), where)
    return parts


def _read_row(columns: list[Any], place: int) -> tuple[KeptRow, bytes]:
    attributes, *static, digest = (column[place : place + 1][0] for column in columns)
    return KeptRow(attributes, StaticRow(*static)), digest.tobytes()


def _stacked(rows: Mapping[str, KeptRow]) -> dict[str, Array]:
    if not rows:
        return {key: np.zeros((0, 0)) for key in (*_ROWS, "digests")}
    arrays = {key: np.stack([getattr(row.static, key) for row in rows.values()]) for key in StaticRow._fields}
    arrays["attributes"] = np.stack([row.attributes for row in rows.values()])
    arrays["digests"] = np.stack([np.frombuffer(row.digest(one), np.uint8) for one, row in rows.items()])
    return arrays


def _is_of_package(model: DeltaModel) -> bool:
    """Whether nothing of a model is a user's own, whose code may change without a trace."""
    own = model.settings.plugins or not is_of_package(type(model.physics.process))
    return not own and type(model.network).__module__.startswith(f"{__package__.partition('.')[0]}.networks.")
