from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from dmg_core.errors import AttributeTableError, ConfigError
from dmg_core.learning.data.material import load_material, make_material
from dmg_core.learning.settings.model import model_settings
from dmg_core.normalization import Normalizer
from tests.dmg_core.learning.synthetic import YEAR, make_basins, make_document, make_experiment

TRAINING = slice(YEAR, 3 * YEAR)


def test_statistics_are_those_of_what_is_learned_from() -> None:
    """Changing weather outside the training days, or all of a basin not learned from, changes no statistics; within it does."""
    data, experiment = make_basins(), make_experiment()
    flow = data.flow.copy()
    flow[TRAINING, 1] = np.nan
    data = replace(data, flow=flow)
    before = make_material(data, experiment).statistics
    forcing, attributes = data.forcing.copy(), data.attributes.copy()
    forcing[:YEAR] += 1.0
    forcing[3 * YEAR :] += 1.0
    forcing[:, 1] += 1.0
    attributes[1] += 1.0
    assert make_material(replace(data, forcing=forcing, attributes=attributes), experiment).statistics == before
    forcing[2 * YEAR] += 1.0
    assert make_material(replace(data, forcing=forcing), experiment).statistics != before


def test_statistics_normalise() -> None:
    """Normalised with them, training weather has mean 0 and deviation 1, log-normalised precipitation too."""
    model = {**make_document()["model"], "log_norm": ["P"]}
    data, experiment = make_basins(), make_experiment(model=model)
    settings = model_settings(experiment)
    assert settings.log_norm == ("prcp",)
    statistics = make_material(data, experiment).statistics
    normalized = Normalizer.from_statistics(statistics, settings.forcings, settings.log_norm)(torch.from_numpy(data.forcing[TRAINING]))
    assert normalized.mean(dim=(0, 1)).numpy() == pytest.approx(0.0, abs=1e-5)
    assert normalized.std(dim=(0, 1), correction=0).numpy() == pytest.approx(1.0, abs=1e-4)
    values = data.forcing[TRAINING, :, 1]
    assert statistics["tmean"][:4] == pytest.approx((*np.percentile(values, (10, 90)), values.mean(), values.std()))


def test_basins_learned_from_come_first(caplog: pytest.LogCaptureFixture) -> None:
    """Columns are basins learned from, then those only validated on; those without flow are left out and named."""
    data = make_basins(4)
    flow = data.flow.copy()
    flow[TRAINING, 0] = flow[:, 2] = flow[3 * YEAR :, 3] = np.nan
    material = make_material(replace(data, flow=flow), make_experiment())
    assert material.ids == ("00000002", "00000004", "00000001")
    assert material.learned.shape == (4 * YEAR, 2)
    assert np.array_equal(material.learned[TRAINING], flow[TRAINING][:, [1, 3]], equal_nan=True)
    assert np.isnan(material.learned[:YEAR]).all()
    assert np.isnan(material.learned[3 * YEAR :]).all()
    assert np.array_equal(np.isfinite(material.judged).any(axis=0), [True, False, True])
    assert np.array_equal(material.forcing[:, 2].numpy(), data.forcing[:, 0].astype(np.float32))
    assert material.attributes[0].tolist() == data.attributes[1].tolist()
    assert "1 of 4 basins have no flow in the periods and are left out: 00000003" in caplog.text


def test_attributes_are_taken_in_the_order_of_the_experiment() -> None:
    """Columns follow the experiment, and unknown names are refused with those there are."""
    data = make_basins()
    assert np.array_equal(make_material(data, make_experiment(attributes=["slope", "aridity"])).attributes, data.attributes[:, ::-1])
    with pytest.raises(AttributeTableError, match="no attributes p_mean; they have aridity, slope"):
        make_material(data, make_experiment(attributes=["p_mean"]))


@pytest.mark.parametrize(("days", "purpose"), [(TRAINING, "to learn from"), (slice(3 * YEAR, None), "to validate on")])
def test_no_flow_is_refused(days: slice, purpose: str) -> None:
    """Data without any flow in one of the periods are refused."""
    data = make_basins()
    flow = data.flow.copy()
    flow[days] = np.nan
    with pytest.raises(ConfigError, match=f"none of 3 basins has flow {purpose}"):
        make_material(replace(data, flow=flow), make_experiment())


def test_readers_are_chosen_by_name() -> None:
    """Options of the data go to the reader; unknown readers, options and basins are named."""
    assert len(load_material(make_experiment(data={"reader": "synthetic", "file": "made", "count": 5})).ids) == 5
    with pytest.raises(ConfigError, match="there is no reader called 'telepathy'"):
        load_material(make_experiment(data={"reader": "telepathy", "file": "made"}))
    with pytest.raises(ConfigError, match="data: synthetic has no option colour"):
        load_material(make_experiment(data={"reader": "synthetic", "file": "made", "colour": "red"}))
    with pytest.raises(ConfigError, match="00000009"):
        load_material(make_experiment(data={"reader": "synthetic", "file": "made", "basins": ["00000001", "00000009"]}))


def test_precision_is_that_of_the_physics() -> None:
    """The experiment's precision is that of forcing, areas and elevations."""
    for name, dtype in (("float32", torch.float32), ("float64", torch.float64)):
        material = make_material(make_basins(), make_experiment(precision=name))
        assert material.forcing.dtype == material.upstream_area.dtype == material.elevation.dtype == dtype


def test_statistics_hold_the_extremes_and_constants_are_told(caplog: pytest.LogCaptureFixture) -> None:
    """Rows end with least and largest value of what is learned from; what never varies there is named with its value."""
    data = make_basins()
    attributes = data.attributes.copy()
    attributes[:, 1] = 20.1
    statistics = make_material(replace(data, attributes=attributes), make_experiment()).statistics
    aridity, temperature = data.attributes[:, 0], data.forcing[TRAINING, :, 1]
    assert statistics["aridity"][4:] == (aridity.min(), aridity.max())
    assert statistics["tmean"][4:] == (temperature.min(), temperature.max())
    assert statistics["slope"][4:] == (20.1, 20.1)
    assert "the same in all that is learned from, so that nothing can be learned from it: slope (20.1)" in caplog.text
    caplog.clear()
    make_material(data, make_experiment())
    assert "nothing can be learned" not in caplog.text
