"""Tests of δMG's configurations as experiments."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from dmg_core.errors import DmgError
from dmg_core.learning.loss import LOSSES
from dmg_core.learning.settings.experiment_file import read_experiment

#: In the spellings of the framework's newer and older releases.
NEW: dict[str, Any] = {
    "mode": "train_test",
    "seed": 111111,
    "device": "cuda",
    "train": {
        "start_time": "1999/10/01",
        "end_time": "2008/09/30",
        "optimizer": {"name": "Adadelta", "lr": 1.0},
        "loss_function": {"name": "RmseCombLoss"},
        "batch_size": 100,
        "epochs": 50,
        "save_epoch": 5,
    },
    "test": {"start_time": "1989/10/01", "end_time": "1999/09/30", "test_epoch": 50},
    "model": {
        "rho": 365,
        "phy": {
            "name": ["Hbv_1_1p"],
            "nmul": 16,
            "warm_up": 365,
            "dy_drop": 0.0,
            "dynamic_params": {"Hbv_1_1p": ["parBETA", "parK0", "parBETAET"]},
            "routing": True,
            "forcings": ["prcp", "tmean", "pet"],
        },
        "nn": {
            "name": "LstmModel",
            "dropout": 0.5,
            "hidden_size": 256,
            "forcings": ["prcp", "tmean", "pet"],
            "attributes": ["p_mean", "aridity", "slope_mean"],
        },
    },
    "observations": {"name": "camels_531", "path": "/data/camels"},
}
OLD: dict[str, Any] = {
    "random_seed": 3,
    "train": {
        "start_time": "1999/10/01",
        "end_time": "2008/09/30",
        "optimizer": "Adadelta",
        "batch_size": 64,
        "epochs": 20,
    },
    "loss_function": {"model": "NseBatchLoss"},
    "dpl_model": {
        "rho": 180,
        "phy_model": {**NEW["model"]["phy"], "model": ["HBV1_1p"], "warm_up": 90},
        "nn_model": {**NEW["model"]["nn"], "model": "CudnnLstmModel", "lr": 0.7},
    },
}
VALIDATION = {"data.file": "camels.nc", "split.validation": ["2008-10-01", "2014-09-30"]}


def written(folder: Path, document: dict[str, Any]) -> Path:
    """Write a configuration."""
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def test_a_configuration_is_an_experiment(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Model, period, loss, optimiser, batches and seed are those of the configuration; keys that are left out are told, all others not."""
    with caplog.at_level(logging.WARNING):
        experiment = read_experiment(written(tmp_path, NEW), VALIDATION)
    assert (experiment.model.physics, experiment.model.nmul, experiment.model.hidden_size) == ("Hbv_1_1p", 16, 256)
    assert set(experiment.model.dynamic) == {"parBETA", "parK0", "parBETAET"}
    assert (experiment.model.dropout, experiment.model.network) == (0.5, "LstmModel")
    assert experiment.attributes == ("p_mean", "aridity", "slope_mean")
    assert experiment.split.train == (np.datetime64("1999-10-01"), np.datetime64("2008-09-30"))
    assert experiment.sampler.options == {"basins": 100, "days": 365, "warm_up": 365}
    assert (experiment.optimizer.name, experiment.optimizer.options) == ("adadelta", {"learning_rate": 1.0})
    assert (experiment.epochs, experiment.seed, experiment.validation.warm_up) == (50, 111111, 365)
    assert LOSSES[experiment.loss.name] is LOSSES["rmse_comb"]
    told = next(record.getMessage() for record in caplog.records if "left out" in record.getMessage())
    assert told.split(": ")[-1].split(", ") == [
        "device",
        "mode",
        "model.phy.dy_drop",
        "observations.name",
        "observations.path",
        "test.end_time",
        "test.start_time",
        "test.test_epoch",
        "train.save_epoch",
    ]


def test_older_spellings_are_taken(tmp_path: Path) -> None:
    """Sections and models of earlier releases mean the same."""
    document = {**OLD, "dpl_model": {key: dict(part) if isinstance(part, dict) else part for key, part in OLD["dpl_model"].items()}}
    for part in ("phy_model", "nn_model"):
        document["dpl_model"][part].pop("name", None)
    experiment = read_experiment(written(tmp_path, document), VALIDATION)
    assert (experiment.model.physics, experiment.seed, experiment.epochs) == ("Hbv_1_1p", 3, 20)
    assert experiment.sampler.options == {"basins": 64, "days": 180, "warm_up": 90}
    assert experiment.optimizer.options == {"learning_rate": 0.7}
    assert LOSSES[experiment.loss.name] is LOSSES["nse_batch"]


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    """Days to validate on are no key of δMG; a training period is."""
    with pytest.raises(DmgError, match=r"split: key 'validation' is missing"):
        read_experiment(written(tmp_path, NEW), {"data.file": "camels.nc"})
    with pytest.raises(DmgError, match=r"key 'train\.start_time' is missing"):
        read_experiment(written(tmp_path, {**NEW, "train": {}}), VALIDATION)
    with pytest.raises(DmgError, match="no_such"):
        read_experiment(written(tmp_path, {**NEW, "model": {**NEW["model"], "phy": {"name": ["no_such"]}}}), VALIDATION)
