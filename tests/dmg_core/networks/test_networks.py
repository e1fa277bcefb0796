"""Tests of dmg_core.networks: the networks and their compiled form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmg_core.checkpoint.weights import read_weights
from dmg_core.equations.compilation import callable_from_python
from dmg_core.networks import (
    AnnModel,
    DailyHalf,
    HourlyHalf,
    LstmMlpModel,
    LstmModel,
    LstmNetwork,
    MlpModel,
    StackedLstm,
    StackLstmMlpModel,
)
from dmg_core.networks.kernels import advance_lstm, input_layer_of, lstm_weights, make_workspace
from dmg_core.networks.linear import Linear
from dmg_core.networks.lstm import Lstm
from tests.dmg_core.factories import make_network, make_settings
from tests.dmg_core.reference import read_arrays
from tests.dmg_core.strategies import cuttings, seeds

DTYPES = {"f32": torch.float32, "f64": torch.float64}


def reference(shared: Path, name: str, precision: str) -> tuple[dict[str, torch.Tensor], dict[str, npt.NDArray[Any]]]:
    """Tensors of a reference network, and its inputs and outputs."""
    folder = shared / "parity" / "networks"
    tensors = torch.load(folder / f"{name}.pt", weights_only=True)
    return {key: tensor.to(DTYPES[precision]) for key, tensor in tensors.items()}, read_arrays(folder / f"{name}.npz")


@pytest.mark.parametrize("precision", DTYPES)
def test_lstm_mlp_equals_the_public_implementation(precision: str, shared: Path) -> None:
    """Dynamic and static parameters equal the reference, with its weights under its names."""
    tensors, arrays = reference(shared, "nn_LstmMlpModel", precision)
    network = LstmMlpModel(LstmModel(31, 12, 64), AnnModel(28, 54, 64)).to(DTYPES[precision]).eval()
    network.load_state_dict(tensors)
    with torch.no_grad():
        dynamic, static = network(*(torch.from_numpy(arrays[name]).to(DTYPES[precision]) for name in ("xc", "c")))
    np.testing.assert_allclose(dynamic.numpy(), arrays[f"dyn_{precision}"], rtol=0.0, atol=1e-6)
    np.testing.assert_allclose(static.numpy(), arrays[f"stat_{precision}"], rtol=0.0, atol=1e-6)


@pytest.mark.parametrize("precision", DTYPES)
def test_lstm_equals_the_public_implementation(precision: str, shared: Path) -> None:
    """Outputs after a sigmoid equal the reference, with its weights under its names."""
    tensors, arrays = reference(shared, "nn_LstmModel_dpl", precision)
    network = LstmModel(31, 20, 64).to(DTYPES[precision]).eval()
    network.load_state_dict(tensors)
    with torch.no_grad():
        outputs = torch.sigmoid(network(torch.from_numpy(arrays["xc"]).to(DTYPES[precision])))
    np.testing.assert_allclose(outputs.numpy(), arrays[f"out_{precision}"], rtol=0.0, atol=1e-6)


@pytest.mark.parametrize("precision", DTYPES)
def test_mlp_equals_the_public_implementation(precision: str, shared: Path) -> None:
    """The plain MLP equals the static half of the reference's stacked network."""
    tensors, arrays = reference(shared, "nn_StackLstmMlpModel", precision)
    prefix = "lstm_mlp.ann."
    network = MlpModel(28, 13, 64).to(DTYPES[precision]).eval()
    network.load_state_dict({key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)})
    with torch.no_grad():
        static = network(torch.from_numpy(arrays["c"]).to(DTYPES[precision]))
    np.testing.assert_allclose(static.numpy(), arrays[f"lof_stat_{precision}"], rtol=0.0, atol=1e-6)


def stacked(*, use_transfer: bool = True, use_in_proj: bool = True) -> StackLstmMlpModel:
    """Build the stacked network in its published sizes."""
    daily = DailyHalf(31, 3, 32, MlpModel(28, 13, 64), use_in_proj=use_in_proj)
    hourly = HourlyHalf(31, 3, 32, MlpModel(28, 16, 64), MlpModel(23, 3, 64), use_in_proj=use_in_proj)
    return StackLstmMlpModel(daily, hourly, use_transfer=use_transfer)


@pytest.mark.parametrize("precision", DTYPES)
def test_stacked_network_equals_the_public_implementation(precision: str, shared: Path) -> None:
    """All five outputs equal the reference, the hourly LSTM's first state handed on from the daily one."""
    dtype = DTYPES[precision]
    tensors = read_weights(shared / "parity" / "networks" / "nn_StackLstmMlpModel.pt")
    arrays = reference(shared, "nn_StackLstmMlpModel", precision)[1]
    network = stacked().to(dtype).eval()
    network.load_state_dict(tensors)
    x, attributes, routing_attributes = (torch.from_numpy(arrays[name]).to(dtype) for name in ("xc", "c", "c3"))
    with torch.no_grad():
        daily, hourly, routing = network(x[:351], x[:336], attributes, routing_attributes)
    named = dict(zip(("lof_dyn", "lof_stat", "hif_dyn", "hif_stat", "distr"), (*daily, *hourly, routing), strict=True))
    for name, found in named.items():
        np.testing.assert_allclose(found.numpy(), arrays[f"{name}_{precision}"], rtol=0.0, atol=1e-6, err_msg=name)


def test_stacked_network_has_the_parts_it_is_asked_for() -> None:
    """Without transfer layers the hourly LSTM starts from zero; without in_proj the LSTM reads the inputs as they are."""
    plain = stacked(use_transfer=False, use_in_proj=False)
    state = torch.ones(2, 32), torch.ones(2, 32)
    assert not any("transfer" in name or "in_proj" in name for name in plain.state_dict())
    assert all(not part.any() for part in plain.transfer(state))
    assert plain.lstm_mlp.cell.w_ih.shape == (128, 31)
    with_all = stacked()
    assert {"h_transfer.weight", "c_transfer.bias", "lstm_mlp.in_proj.weight", "lstm_mlp2.in_proj.bias"} <= with_all.state_dict().keys()
    torch.testing.assert_close(with_all.transfer(state)[0], with_all.get_submodule("h_transfer")(state[0]))


def test_halves_of_the_stacked_network_share_static_parameters() -> None:
    """The hourly model takes the static parameters of the daily one from the daily half, and only its further ones from its own."""
    network, attributes = stacked().eval(), torch.randn(4, 28)
    static = network.hourly_network().ann(attributes)
    assert torch.equal(static[:, :13], network.daily_network().ann(attributes))
    assert torch.equal(static[:, 13:], network.lstm_mlp2.ann1(attributes)[:, 13:])


@given(cuts=cuttings(12), seed=seeds)
@settings(max_examples=20)
def test_lstm_may_be_advanced_in_pieces(cuts: list[slice], seed: int) -> None:
    """A series cut anywhere gives the outputs of the uncut one when the state is handed on."""
    network = make_network(make_settings("Hbv"), seed).double()
    assert isinstance(network, LstmModel)
    x = torch.randn((12, 3, 7), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    with torch.no_grad():
        whole = network(x)
        state, pieces = network.initial_state(3), []
        for cut in cuts:
            piece, state = network.advance(x[cut], state)
            pieces.append(piece)
    torch.testing.assert_close(torch.cat(pieces), whole, rtol=1e-12, atol=1e-13)


def test_a_layer_without_outputs_is_made_in_silence(recwarn: pytest.WarningsRecorder) -> None:
    """A model without dynamic parameters has one; nothing is said, no random number is drawn, and it gives nothing."""
    torch.manual_seed(4)
    layer = Linear(3, 0)
    assert layer(torch.ones(2, 3)).shape == (2, 0)
    drawn = torch.rand(1)
    torch.manual_seed(4)
    assert torch.equal(torch.rand(1), drawn)
    assert not recwarn.list


def test_dropout_acts_in_training_only() -> None:
    """Networks made with dropout are random in training and not in evaluation."""
    attributes, x = torch.ones(4, 7), torch.ones(3, 4, 7)
    for network, argument in ((AnnModel(7, 3, 20, 0.5), attributes), (MlpModel(7, 3, 20, 0.5), attributes), (LstmModel(7, 3, 20, 0.5), x)):
        network.train()
        assert not torch.equal(network(argument), network(argument))
        network.eval()
        assert torch.equal(network(argument), network(argument))


advance = callable_from_python(advance_lstm)


def compiled_steps(
    network: LstmNetwork, forcings: npt.NDArray[Any], attributes: npt.NDArray[Any], columns: list[int]
) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """Run the compiled form over a series (T, b, 3); returns fractions (T, b, n) and the last state."""
    arrays = network.arrays
    weights = lstm_weights(arrays, 3, columns)
    rows, hidden = len(attributes), network.cell.hidden
    fixed = input_layer_of(arrays, attributes)
    h, c = np.zeros((2, rows, hidden), forcings.dtype)
    room = make_workspace(rows, weights)
    fractions = np.empty((len(forcings), rows, len(columns)), forcings.dtype)
    for x, out in zip(forcings, fractions, strict=True):
        advance(x, fixed, h, c, weights, room)
        out[...] = room.fractions[:, : len(columns)]
    return fractions, h, c


def make_lstm(kind: str, hidden: int, seed: int) -> LstmNetwork:
    """Make a network of 7 inputs and at least 8 outputs: one with a ReLU, one without, or one without an input layer."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return LstmModel(7, 12, hidden) if kind == "LstmModel" else StackedLstm(7, 12, hidden, use_in_proj=kind == "in_proj")


KINDS = pytest.mark.parametrize("kind", ["LstmModel", "in_proj", "no in_proj"])


def lstm_with_inputs(
    seed: int, rows: int, hidden: int, dtype: torch.dtype, kind: str
) -> tuple[LstmNetwork, npt.NDArray[Any], npt.NDArray[Any]]:
    """Make a network with 12 outputs, forcings (6, rows, 3) and attributes (rows, 4)."""
    network = make_lstm(kind, hidden, seed).to(dtype)
    rng = np.random.default_rng(seed)
    precision = np.dtype(str(dtype).removeprefix("torch."))
    return network, rng.normal(0.0, 2.0, (6, rows, 3)).astype(precision), rng.normal(0.0, 1.0, (rows, 4)).astype(precision)


@KINDS
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-6), (torch.float64, 1e-13)], ids=str)
@given(seed=seeds, rows=st.integers(1, 9), hidden=st.integers(1, 9))
@settings(max_examples=30)
def test_compiled_lstm_equals_the_one_for_tensors(
    dtype: torch.dtype, tolerance: float, kind: str, seed: int, rows: int, hidden: int
) -> None:
    """Fractions and the last state equal the network's to rounding, for any size; only the wanted columns are computed."""
    network, forcings, attributes = lstm_with_inputs(seed, rows, hidden, dtype, kind)
    columns = [5, 0, 7]
    fractions, h, c = compiled_steps(network, forcings, attributes, columns)
    series = torch.from_numpy(forcings)
    x = torch.cat([series, torch.from_numpy(attributes).expand(len(series), -1, -1)], dim=-1)
    with torch.no_grad():
        raw, state = network.advance(x, network.initial_state(rows))
    for found, expected in ((fractions, torch.sigmoid(raw[..., columns])), (h, state[0]), (c, state[1])):
        np.testing.assert_allclose(found, expected.numpy(), rtol=tolerance, atol=tolerance)


@KINDS
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@given(seed=seeds, hidden=st.integers(1, 17), rows=st.permutations(range(8)), block=st.integers(1, 8))
@settings(max_examples=30)
def test_compiled_lstm_is_bitwise_the_same_in_any_block(
    dtype: torch.dtype, kind: str, seed: int, hidden: int, rows: list[int], block: int
) -> None:
    """A catchment gets the same bits alone, in a block of any size and at any place of it."""
    network, forcings, attributes = lstm_with_inputs(seed, 8, hidden, dtype, kind)
    together = compiled_steps(network, forcings, attributes, [2, 3])
    chosen = rows[:block]
    among = compiled_steps(network, np.ascontiguousarray(forcings[:, chosen]), attributes[chosen], [2, 3])
    assert np.array_equal(among[0], together[0][:, chosen])
    assert np.array_equal(among[1], together[1][chosen])
    assert np.array_equal(among[2], together[2][chosen])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("inputs", "outputs"), [(13, 1), (13, 6), (6, 8), (5, 20), (38, 4), (16, 40)])
def test_a_row_has_the_same_bits_wherever_it_stands(inputs: int, outputs: int, dtype: torch.dtype) -> None:
    """However a layer is shaped, a row alone at the top gives what it gives among others, and what the definition says."""
    torch.manual_seed(outputs)
    layer, rows = Linear(inputs, outputs, dtype=dtype), torch.randn(40, inputs, dtype=dtype)
    among = layer(torch.cat([rows, torch.zeros(88, inputs, dtype=dtype)]))
    for place, row in enumerate(rows):
        alone = layer(torch.cat([row[None], torch.zeros(127, inputs, dtype=dtype)]))
        assert torch.equal(alone[0], among[place])
    torch.testing.assert_close(among[:40], rows @ layer.weight.T + layer.bias)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("inputs", "hidden"), [(5, 5), (8, 6), (13, 8), (16, 16)])
def test_a_catchment_in_an_lstm_has_the_same_bits_wherever_it_stands(inputs: int, hidden: int, dtype: torch.dtype) -> None:
    """However wide an LSTM is, a series alone gives what it gives among others; units of torch's own LSTM give the same."""
    torch.manual_seed(hidden)
    lstm, x = Lstm(inputs, hidden).to(dtype), torch.randn(6, 40, inputs, dtype=dtype)
    zeros = torch.zeros(128, hidden, dtype=dtype)
    among, last = lstm(torch.cat([x, torch.zeros(6, 88, inputs, dtype=dtype)], dim=1), (zeros, zeros))
    for place in range(40):
        alone, _ = lstm(torch.cat([x[:, place : place + 1], torch.zeros(6, 127, inputs, dtype=dtype)], dim=1), (zeros, zeros))
        assert torch.equal(alone[:, 0], among[:, place])
    own = torch.nn.LSTM(inputs, hidden, dtype=dtype)
    own.load_state_dict({"weight_ih_l0": lstm.w_ih, "weight_hh_l0": lstm.w_hh, "bias_ih_l0": lstm.b_ih, "bias_hh_l0": lstm.b_hh})
    series, (h, c) = own(x)
    torch.testing.assert_close(among[:, :40], series)
    torch.testing.assert_close(last[0][:40], h[0])
    torch.testing.assert_close(last[1][:40], c[0])
