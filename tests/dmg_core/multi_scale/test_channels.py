"""Tests of learned channels: what they give, and their file beside a model's weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from dmg_core.checkpoint import read_checkpoint
from dmg_core.errors import CheckpointError, ConfigError, NetworkError
from dmg_core.multi_scale import Channels, ChannelSettings, new_channels, read_channels, write_channels
from dmg_core.routing import Membership
from tests.dmg_core.factories import write_model

STATISTICS = {"way_km": (1.0, 90.0, 40.0, 30.0, 0.5, 120.0), "slope": (0.1, 3.0, 1.0, 0.8, 0.0, 9.0)}
MEMBERSHIP = Membership.from_pairs([("01", "a"), ("01", "b"), ("02", "b")], {"a": 3.0, "b": 5.0})


def make(per: str = "pair", attributes: tuple[str, ...] = ("way_km", "slope"), *, conserving: bool = True) -> Channels:
    """Channels with random weights."""
    settings = ChannelSettings(per=per, attributes=attributes, hidden_size=5, conserving=conserving)  # type: ignore[arg-type]
    return new_channels(settings, STATISTICS, seed=3)


def test_learning_begins_with_a_short_delay_everywhere() -> None:
    """Before anything is learned most water arrives within two days, all of it arrives, and ways differ little."""
    for channels in (make(), make("gauge", ())):
        ways = torch.tensor([[0.5, 0.0], [120.0, 9.0], [40.0, 1.0]], dtype=torch.float64)[:, : len(channels.settings.attributes)]
        weights = channels.weights(ways).detach()
        assert weights.shape == (3, 20)
        torch.testing.assert_close(weights.sum(dim=1), torch.ones(3))
        assert float(weights[:, :2].sum(dim=1).min()) > 0.5


def test_a_model_folder_keeps_channels(tmp_path: Path) -> None:
    """Written beside a model's weights and read again, channels give the same bits; the file is plain numbers."""
    write_model(tmp_path, "Hbv_2")
    for channels in (make(), make("gauge", (), conserving=False)):
        write_channels(tmp_path, channels, epoch_of(tmp_path))
        found = read_channels(tmp_path)
        assert found.settings == channels.settings
        ways = torch.rand((4, len(channels.settings.attributes)), dtype=torch.float64)
        assert torch.equal(found.weights(ways), channels.weights(ways))


def epoch_of(folder: Path) -> int:
    """Epoch of the weights in a model folder."""
    epoch = read_checkpoint(folder).settings.epoch
    assert epoch is not None
    return epoch


def test_the_file_can_be_followed_by_hand(tmp_path: Path) -> None:
    """What the documentation of the file says, done with plain numbers, gives the parameters of a way."""
    write_model(tmp_path, "Hbv_2")
    channels = make()
    write_channels(tmp_path, channels, epoch_of(tmp_path))
    (file,) = tmp_path.glob("channels_ep*.json")
    said = json.loads(file.read_text())
    way = {"way_km": 77.0, "slope": 2.5}
    values = [(way[name] - said["statistics"][name][2]) / (said["statistics"][name][3] + 1e-6) for name in said["attributes"]]
    for layer in ("0", "3", "6", "9"):
        weight, bias = (said["weights"][f"network.{layer}.{part}"] for part in ("weight", "bias"))
        values = [sum(w * v for w, v in zip(row, values, strict=True)) + b for row, b in zip(weight, bias, strict=True)]
        if layer != "9":
            values = [max(value, 0.0) for value in values]
    by_hand = torch.sigmoid(torch.tensor(values))
    torch.testing.assert_close(channels(torch.tensor([[77.0, 2.5]], dtype=torch.float64))[0], by_hand, rtol=1e-5, atol=1e-6)
    assert said["parameters"]["route_tau"] == [0.0, 5.0, "d"]


def test_what_is_wrong_with_a_folder_is_named(tmp_path: Path) -> None:
    """A model without channels, and a damaged file, are errors that name the folder or the file."""
    write_model(tmp_path, "Hbv_2")
    with pytest.raises(CheckpointError, match="the model was trained without channels to gauges"):
        read_channels(tmp_path)
    write_channels(tmp_path, make(), epoch_of(tmp_path))
    (file,) = tmp_path.glob("channels_ep*.json")
    whole = json.loads(file.read_text())
    damaged = [json.dumps({**whole, **part}) for part in ({"per": "unit"}, {"weights": {}}, {"hidden_size": "3"})]
    for text in ("", "{}", "[]", *damaged):
        file.write_text(text)
        with pytest.raises(CheckpointError, match=r"channels_ep\d+.json: is damaged"):
            read_channels(tmp_path)


@pytest.mark.parametrize(
    ("per", "table", "error", "message"),
    [
        ("pair", None, ConfigError, "channels read way_km, slope of a table of pairs"),
        ("gauge", None, ConfigError, "channels read way_km, slope of a table of gauges"),
        ("pair", "gauge_id,divide_id,way_km,slope\n01,a,1,2\n01,b,1,2\n", NetworkError, "there is no row of 02 and b"),
        ("gauge", "gauge_id,way_km,slope\n01,1,2\n02,1,2\n01,3,4\n", NetworkError, "there are two rows of 01; keep one"),
        ("gauge", "gauge_id,way_km\n01,1\n02,1\n", NetworkError, "there is no column slope; it has gauge_id, way_km"),
    ],
)
def test_tables_of_ways_are_checked(per: str, table: str | None, error: type[Exception], message: str, tmp_path: Path) -> None:
    """Tables that are missing, or lack rows or columns, or have a row twice, are named."""
    file = None if table is None else tmp_path / "table.csv"
    if file is not None and table is not None:
        file.write_text(table)
    with pytest.raises(error, match=message):
        make(per).read_ways(MEMBERSHIP, file, file)
