"""Learning from samples without a time axis: ten plant types on twelve soils, whose truth is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dmg_core.data.samples import columns_of
from dmg_core.errors import ConfigError
from dmg_core.learning.data.material import Material, make_material
from dmg_core.learning.evaluation import Evaluation, evaluate, evaluate_folders, write_scores
from dmg_core.learning.evaluation_parts import held_out_of
from dmg_core.learning.loop.train import make_parts, train
from dmg_core.learning.new_model import new_model
from dmg_core.learning.settings.model import model_settings
from dmg_core.metrics import nse
from tests.dmg_core.learning.leaves import CAPACITY, NAMES, ONE_HOT, TYPES, exponents, make_experiment, make_leaves

#: What the reader is told to read; the record of a training has it whole.
MADE = Path("/made")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training on 2000 leaves."""
    out = tmp_path_factory.mktemp("leaves") / "training"
    train(make_experiment(), out)
    return out


@pytest.fixture(scope="module")
def evaluation(folder: Path) -> Evaluation:
    """The same leaves, by the model that was read back from its folder."""
    return evaluate_folders([folder], MADE, None)


def test_the_truth_is_recovered(evaluation: Evaluation) -> None:
    """Capacities of all ten plant types within 2 %, exponents of all five layers of all twelve soils within 5 %."""
    columns = columns_of(evaluation.basins.groups)
    capacities = np.array([evaluation.parameters["parVcmax25"][columns[name]].mean() for name in TYPES])
    np.testing.assert_allclose(capacities, CAPACITY, rtol=0.02)
    places = [evaluation.basins.attribute_names.index(name) for name in ("clay", "sand", "organic_matter")]
    found = np.stack([evaluation.parameters[f"parB{n}"] for n in range(1, 6)], axis=-1)
    np.testing.assert_allclose(found, exponents(evaluation.basins.attributes[:, places]), rtol=0.05)


def test_groups_are_scored_and_told(evaluation: Evaluation, tmp_path: Path) -> None:
    """Scores are those of plant types, in the table, too."""
    assert set(evaluation.groups) == set(TYPES)
    mine = columns_of(evaluation.basins.groups)["type_4"]
    expected = nse(evaluation.simulated[0, mine], evaluation.basins.flow[0, mine])
    np.testing.assert_allclose(evaluation.scores["nse"][evaluation.groups.index("type_4")], expected, rtol=1e-12)
    assert evaluation.median("nse") > 0.999
    write_scores(tmp_path / "scores.csv", evaluation.groups, evaluation.scores, "group")
    assert (tmp_path / "scores.csv").read_text().splitlines()[0].startswith("group,bias")


def test_what_was_held_out_is_known_from_the_folder(folder: Path, evaluation: Evaluation) -> None:
    """A tenth of each type; nothing is said of other samples, or without a record."""
    held_out = held_out_of(folder, MADE, evaluation.basins.ids)
    assert held_out is not None
    assert held_out.sum() == pytest.approx(200, abs=10)
    assert held_out_of(folder, MADE, ["another"]) is None
    assert held_out_of(folder, Path("others.csv"), evaluation.basins.ids) is None
    assert held_out_of(folder.parent / "none", MADE, ["leaf-1"]) is None


def test_validation_is_of_the_groups_that_were_held_out(folder: Path) -> None:
    """The median over plant types that the log has last is that of an evaluation of these samples."""
    data = make_leaves()
    held_out = held_out_of(folder, MADE, data.ids)
    assert held_out is not None
    last = float((folder / "log.csv").read_text().splitlines()[-1].split(",")[6])
    found = evaluate_folders([folder], MADE, None, ids=[each for each, one in zip(data.ids, held_out, strict=True) if one])
    assert found.median("nse") == pytest.approx(last, abs=1e-5)


def make_small(**changes: object) -> tuple[Material, object]:
    """Material of 200 leaves, and its experiment."""
    experiment = make_experiment(**changes)
    return make_material(make_leaves(200), experiment), experiment


def test_a_group_is_held_out_of_training() -> None:
    """No sample of it is learned from, all are validated on."""
    material, _ = make_small(split={"name": "group", "held_out": "type_3"})
    groups = np.array(material.groups)
    assert set(groups[np.isfinite(material.judged[0])]) == {"type_3"}
    assert "type_3" not in groups[: material.learned.shape[1]]


def test_experiments_on_samples_are_checked() -> None:
    """A split in time needs periods; a batch has at least one sample; parts name what there is."""
    with pytest.raises(ConfigError, match="split: key 'train' is missing: a split in time needs"):
        make_experiment(split={"name": "time"})
    with pytest.raises(ConfigError, match="split: samples cannot be made of"):
        make_small(split={"name": "samples", "held_out": "half"})
    model = {"physics": "Photosynthesis", "network": "ParameterMlps", "hidden_size": 4, "target": "stomatal_conductance"}
    with pytest.raises(ConfigError, match=r"net_assimilation was observed, but model\.target is stomatal_conductance"):
        make_small(model=model)
    material, experiment = make_small(sampler={"name": "samples", "size": 0})
    with pytest.raises(ConfigError, match="sampler: size is 0"):
        make_parts(experiment, material)  # type: ignore[arg-type]
    material, experiment = make_small(sampler={"name": "windows"})
    with pytest.raises(ConfigError, match="samples without a time axis have the sampler 'samples'"):
        make_parts(experiment, material)  # type: ignore[arg-type]
    material, experiment = make_small()
    settings = model_settings(experiment)  # type: ignore[arg-type]
    assert settings.attributes == (*ONE_HOT, *NAMES)
    model = new_model(settings, material.statistics, 0)
    evaluated = evaluate([model], [make_leaves(50)])
    assert evaluated.simulated.shape == (1, 50)
