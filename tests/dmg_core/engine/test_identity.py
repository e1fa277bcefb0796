"""Tests of dmg_core.engine.identity."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dmg_core import DeltaModel, Engine
from dmg_core.checkpoint import Checkpoint
from dmg_core.engine.identity import Identity, identity_of
from dmg_core.errors import CheckpointError, StateError
from dmg_core.loading import build_model
from tests.dmg_core.factories import FAMILY, MOMENTS, make_attributes, make_model, make_network, make_settings, write_model

WHERE = "kept.safetensors"


def _with_statistics(**moments: tuple[float, float]) -> DeltaModel:
    made = make_settings("Hbv_2")
    statistics = {name: (0.0, 0.0, *values) for name, values in (MOMENTS | moments).items()}
    return build_model(Checkpoint(Path("made"), made, statistics, dict(make_network(made, 0).state_dict())), "float64")


def _with_settings(**changes: Any) -> DeltaModel:
    made = dataclasses.replace(make_settings("Hbv_2"), **changes)
    statistics = {name: (0.0, 0.0, *values) for name, values in MOMENTS.items()}
    return build_model(Checkpoint(Path("made"), made, statistics, dict(make_network(made, 0).state_dict())), "float64")


def _with_one_weight_a_hair_off(part: str) -> DeltaModel:
    model = make_model("Hbv_2")
    with torch.no_grad():
        weight = model.network.get_parameter(part).view(-1)
        weight[-1] = float(np.nextafter(weight[-1].item(), np.inf))
    return model


@pytest.mark.parametrize("physics", FAMILY)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_same_model_is_the_same(physics: str, dtype: str) -> None:
    """A model built twice, and one that has run, has one identity, which no other model has."""
    first, second = (make_model(physics, dtype=dtype) for _ in range(2))
    identity = identity_of(first)
    assert identity == identity_of(second) == identity_of(first)
    identity.require(identity_of(second), WHERE)
    assert re.fullmatch("[0-9a-f]{64}", identity.digest)


def test_all_members_of_the_family_differ() -> None:
    """No two of models, precisions and seeds have the same digest."""
    identities = [
        identity_of(make_model(physics, seed, dtype)) for physics in FAMILY for seed in (0, 1) for dtype in ("float32", "float64")
    ]
    assert len({identity.digest for identity in identities}) == len(identities) == 4 * len(FAMILY)


def test_description_is_text_and_numbers() -> None:
    """The description survives JSON as it is, because files hold it so."""
    for physics in FAMILY:
        description = identity_of(make_model(physics)).description
        assert json.loads(json.dumps(description)) == description


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: make_model("Hbv_2", nmul=3), "nmul is 3, expected 2"),
        (lambda: make_model("Hbv_2", dtype="float32"), "dtype is 'float32', expected 'float64'"),
        (lambda: make_model("Hbv_2", routing=False), "routing is False, expected True"),
        (lambda: make_model("Hbv_2", dynamic=("parBETA",)), r"dynamic is ['parBETA'], expected ['parBETA', 'parK0', 'parBETAET']"),
        (lambda: make_model("Hbv_2", hidden=4), "hidden_size is 4, expected 5"),
        (lambda: make_model("Hbv_1_1p"), "network is 'LstmModel', expected 'LstmMlpModel'; physics is 'Hbv_1_1p', expected 'Hbv_2'"),
        (lambda: _with_settings(nearzero=1e-4), "nearzero is 0.0001, expected 1e-05"),
        (lambda: _with_settings(attributes=("uparea", "aridity", "meanslope", "meanelevation")), "attributes is ['uparea', 'aridity'"),
    ],
    ids=["nmul", "dtype", "routing", "dynamic", "hidden", "model", "nearzero", "attributes"],
)
def test_difference_is_named(make: Callable[[], DeltaModel], named: str) -> None:
    """What differs between two models is named with both values, together with where the other one came from."""
    with pytest.raises(StateError, match=f"^{WHERE}: the state belongs to another model: .*{re.escape(named)}"):
        identity_of(make_model("Hbv_2")).require(identity_of(make()), WHERE)


@pytest.mark.parametrize(
    "make",
    [
        lambda: _with_one_weight_a_hair_off("lstminv.linear_in.weight"),
        lambda: _with_one_weight_a_hair_off("lstminv.lstm.b_hh"),
        lambda: _with_one_weight_a_hair_off("ann.h2h3.weight"),
        lambda: _with_one_weight_a_hair_off("ann.h2o.bias"),
        lambda: _with_statistics(P=(3.0, 8.000001)),
        lambda: _with_statistics(meanelevation=(900.1, 1000.0)),
        lambda: make_model("Hbv_2", log_norm=("P",)),
        lambda: make_model("Hbv_2", mlp_hidden=7),
    ],
    ids=["LSTM", "gate bias", "MLP", "MLP's last bias", "forcing's deviation", "attribute's mean", "log-norm", "MLP's width"],
)
def test_weights_and_statistics_count(make: Callable[[], DeltaModel]) -> None:
    """One weight that is off by its last digit, or one statistic, is another model, and the message says so."""
    with pytest.raises(StateError, match=f"{WHERE}: the state belongs to another model: its weights or statistics are others$"):
        identity_of(make_model("Hbv_2")).require(identity_of(make()), WHERE)


@pytest.mark.parametrize("setting", ["upstream_area", "elevation"])
def test_what_the_equations_read_counts(setting: str) -> None:
    """Another attribute as upstream area or elevation gives other results, and is another model."""
    with pytest.raises(StateError, match="another model"):
        identity_of(make_model("Hbv_2")).require(identity_of(_with_settings(**{setting: "meanslope"})), WHERE)


def test_what_does_not_shape_results_does_not_count() -> None:
    """The epoch of training, known or not, does not make another model, nor do the other figures of the statistics."""
    assert identity_of(_with_settings(epoch=7)) == identity_of(make_model("Hbv_2"))


@pytest.mark.parametrize("keep", [True, False])
def test_identity_is_that_of_the_whole_model(tmp_path: Path, keep: bool) -> None:
    """It does not matter whether an engine has let go of the network behind static parameters, nor when it is asked."""
    folder = write_model(tmp_path, "Hbv_2")
    expected = Engine.from_folder(folder, "float64").identity
    engine = Engine.from_folder(folder, "float64", keep_static_network=keep)
    (catchment,) = engine.add({name: values[:1] for name, values in make_attributes(1).items()})
    catchment.step(5.0, 10.0, 2.0)
    assert engine.identity == expected
    assert engine.identity is engine.identity


def test_identity_is_never_that_of_other_weights(tmp_path: Path) -> None:
    """A model folder that is replaced while an engine runs, whose weights it may need again, is an error that says so."""
    folder = write_model(tmp_path, "Hbv_2")
    engine = Engine.from_folder(folder, "float64")
    engine.add(make_attributes(1))
    engine.step([[5.0, 10.0, 2.0]])
    write_model(tmp_path, "Hbv_2", seed=1)
    with pytest.raises(CheckpointError, match="has changed since it was read"):
        _ = engine.identity


def test_digest_decides_not_the_description_alone() -> None:
    """Equal descriptions do not make equal models, nor do equal digests."""
    identity = Identity({"nmul": 2}, "a")
    for other in (Identity({"nmul": 2}, "b"), Identity({"nmul": 3}, "a")):
        with pytest.raises(StateError, match="another model"):
            identity.require(other, WHERE)
    with pytest.raises(StateError, match="nmul is None, expected 2; size is 3, expected None"):
        identity.require(Identity({"size": 3}, "a"), WHERE)
