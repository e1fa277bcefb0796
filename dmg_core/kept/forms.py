"""Forms of models written down as a document and arrays, and read back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import numpy.typing as npt

from dmg_core.checkpoint.config import ModelSettings
from dmg_core.engine.identity import Identity, identity_of
from dmg_core.model_form import KeptForm
from dmg_core.models.making import make_process
from dmg_core.multi_timescale.kept_pair import KeptPair
from dmg_core.multi_timescale.kernels import TransferArrays
from dmg_core.networks.kernels import LstmArrays
from dmg_core.normalization import Normalizer
from dmg_core.physics.form import PhysicsForm
from dmg_core.routing.delay_bound import DelayBound

if TYPE_CHECKING:
    from dmg_core.model import DeltaModel
    from dmg_core.multi_timescale.model import MultiTimescaleModel

Array = npt.NDArray[Any]
Document = dict[str, Any]
Arrays = Mapping[str, Array]

_LSTM, _TRANSFER = "lstm.", "transfer."


def written_form(model: DeltaModel) -> tuple[Document, dict[str, Array]]:
    """Write down the form of a model with all its weights."""
    identity, lstm = identity_of(model), model.lstm_arrays
    settings = {field.name: getattr(model.settings, field.name) for field in dataclasses.fields(ModelSettings)}
    bound = model.settings.delay_bound
    document = {
        "settings": settings | {"delay_bound": None if bound is None else attrs.asdict(bound)},
        "routing": model.physics.routing.steps > 1,
        "normalize_forcing": _written_normalizer(model.normalize_forcing),
        "normalize_attributes": _written_normalizer(model.normalize_attributes),
        "static_from_series": model.static_from_series,
        "precision": model.precision.name,
        "state_sizes": dict(model.state_sizes),
        "dynamic_columns": model.dynamic_columns,
        "rectified": lstm is not None and lstm.rectified,
        "identity": {"description": identity.description, "digest": identity.digest},
    }
    weights = {} if lstm is None else {f"{_LSTM}{name}": part for name, part in lstm._asdict().items() if isinstance(part, np.ndarray)}
    return document, weights


def read_form(document: Document, arrays: Arrays) -> KeptForm:
    """Make the form that :func:`written_form` has written."""
    settings, weights = _read_settings(document["settings"]), _named(arrays, _LSTM)
    process = make_process(settings.physics, settings.nearzero, settings.options)
    return KeptForm(
        settings=settings,
        physics=PhysicsForm(process, settings.nmul, settings.dynamic, document["routing"]),
        normalize_forcing=_read_normalizer(document["normalize_forcing"]),
        normalize_attributes=_read_normalizer(document["normalize_attributes"]),
        static_from_series=document["static_from_series"],
        precision=np.dtype(document["precision"]),
        state_sizes=document["state_sizes"],
        dynamic_columns=document["dynamic_columns"],
        lstm_arrays=_read_lstm(document["rectified"], weights) if weights else None,
        identity=Identity(**document["identity"]),
    )


def written_pair(model: MultiTimescaleModel) -> tuple[Document, dict[str, Array]]:
    """Write down the forms of a multi-timescale model."""
    document: Document = {"days": model.days, "hours": model.hours, "attribute_names": model.attribute_names}
    arrays = {f"{_TRANSFER}{name}": part for name, part in model.transfer._asdict().items()}
    for name, half in (("daily", model.daily), ("hourly", model.hourly)):
        document[name], weights = written_form(half)
        arrays |= {f"{name}.{key}": part for key, part in weights.items()}
    return document, arrays


def read_pair(document: Document, arrays: Arrays) -> KeptPair:
    """Make the pair that :func:`written_pair` has written."""
    daily, hourly = (read_form(document[name], _named(arrays, f"{name}.")) for name in ("daily", "hourly"))
    transfer = TransferArrays(**_named(arrays, _TRANSFER))
    return KeptPair(daily, hourly, document["days"], document["hours"], transfer, tuple(document["attribute_names"]))


def _named(arrays: Arrays, prefix: str) -> dict[str, Array]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _read_lstm(rectified: bool, weights: Arrays) -> LstmArrays:
    return LstmArrays(rectified, **{name: weights.get(name) for name in LstmArrays._fields if name != "rectified"})  # type: ignore[arg-type]


def _written_normalizer(normalizer: Normalizer) -> Document:
    statistics = {name: getattr(normalizer, name).tolist() for name in ("mean", "std", "log")}
    return {"names": normalizer.names, **statistics, "rows": normalizer.rows}


def _read_normalizer(document: Document) -> Normalizer:
    mean, std = (np.array(document[name], np.float64) for name in ("mean", "std"))
    rows = tuple(tuple(row) for row in document["rows"])
    return Normalizer(tuple(document["names"]), mean, std, np.array(document["log"], np.bool_), rows)


def _read_settings(document: Document) -> ModelSettings:
    lists = {name: tuple(value) for name, value in document.items() if isinstance(value, list)}
    bound = document["delay_bound"]
    return ModelSettings(**(document | lists | {"delay_bound": None if bound is None else DelayBound(**bound)}))
