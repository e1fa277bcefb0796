"""Series by compiled code against torch step by step: results, last stores and the gradient to everything that is given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from dmg_core.equations import series, simulate_series, step_arrays
from dmg_core.errors import ConfigError
from dmg_core.models import PROCESS_MODELS, ProcessModel
from tests.dmg_core.equations.small_models import Leaf, Overflow, TwoBuckets, in_torch, random_parameters


class Case(NamedTuple):
    """What a series is given."""

    model: ProcessModel
    forcing: Tensor
    stores: Tensor
    parameters: Tensor
    site: Tensor
    dynamic: tuple[Any, ...]
    fractions: Tensor
    results: tuple[tuple[str, ...], ...]

    @property
    def given(self) -> tuple[Tensor, ...]:
        """All that can have a gradient."""
        return self.forcing, self.stores, self.parameters, self.site, self.fractions

    def compiled(self) -> tuple[Tensor, Tensor]:
        """Results and last stores by compiled code."""
        return simulate_series(
            self.model,
            self.forcing,
            self.stores,
            self.parameters,
            self.site,
            dynamic=self.dynamic,
            fractions=self.fractions,
            results=self.results,
        )

    def reference(self) -> tuple[Tensor, Tensor]:
        """The same by torch."""
        places = [self.model.parameters.index(parameter) for parameter in self.dynamic]

        def parameters(t: int) -> Tensor:
            columns = list(self.parameters.unbind(-1))
            for d, place in enumerate(places):
                columns[place] = self.dynamic[d].scale(self.fractions[t, :, d])
            return torch.stack(columns, -1) if columns else self.parameters

        return in_torch(self.model, self.forcing, self.stores, parameters, self.site, self.results)


def made(model: ProcessModel, dynamic: int, results: tuple[tuple[str, ...], ...], steps: int = 40, catchments: int = 5, k: int = 3) -> Case:
    """Weather with frost and storms, random parameters and stores."""
    rng = np.random.default_rng(7)
    kinds = {"T": lambda: rng.normal(2.0, 8.0, (steps, catchments)), "light": lambda: 600.0 * rng.random((steps, catchments))}
    rain = lambda: 40.0 * rng.random((steps, catchments)) ** 3  # noqa: E731
    forcing = np.stack([kinds.get(each.name, rain)() for each in model.forcings], -1)
    parameters = random_parameters(model, rng, catchments, k)
    names = {"upstream_area": 5000.0, "large_share": 1.0}
    site = np.stack([names.get(name, 900.0) * rng.random(catchments) for name in series.tape_of(model).site] or [np.zeros(0)], -1)
    site = site.reshape(catchments, -1) if site.size else np.zeros((catchments, 0))
    arrays = (forcing, 30.0 * rng.random((catchments, k, len(model.stores))), parameters, site, rng.random((steps, catchments, dynamic, k)))
    forcing_, stores, parameters_, site_, fractions = (torch.tensor(array, requires_grad=True) for array in arrays)
    return Case(model, forcing_, stores, parameters_, site_, model.parameters[-dynamic:] if dynamic else (), fractions, results)


HBV_FLOW = ("unrouted_surface_flow", "unrouted_interflow", "unrouted_baseflow")
CASES: dict[str, tuple[type[ProcessModel], int, tuple[tuple[str, ...], ...]]] = {
    "two buckets": (TwoBuckets, 2, (("runoff",), ("runoff", "melt"), ("snow",))),
    "no stores": (Leaf, 1, (("transpiration",),)),
    "no parameters": (Overflow, 0, (("spill",), ("nothing",))),
    "HBV 1.1p": (PROCESS_MODELS["Hbv_1_1p"], 3, (HBV_FLOW, ("aet",))),
    "HBV 2.1 hourly": (PROCESS_MODELS["Hbv_2_1_hourly"], 2, (HBV_FLOW,)),
}


def loss(results: Tensor, last: Tensor) -> Tensor:
    """Sum with weights of both signs, so that no part of a gradient is hidden behind another."""
    weights = torch.sin(torch.arange(results.numel(), dtype=torch.float64)).reshape(results.shape)
    return (results * weights).sum() + (last * torch.cos(last.detach())).sum()


def gradients(results: Tensor, last: Tensor, wanted: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Gradients of the loss; zero where nothing hangs on an input."""
    found = torch.autograd.grad(loss(results, last), wanted, allow_unused=True)
    return tuple(torch.zeros_like(like) if each is None else each for each, like in zip(found, wanted, strict=True))


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch have so many threads within the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("case", CASES)
def test_a_series_and_all_its_gradients_are_those_of_torch(case: str) -> None:
    """Results agree to 1e-12; gradients to forcing, stores, parameters, site and dynamic parameters to 1e-12 of the largest."""
    one = made(CASES[case][0](), *CASES[case][1:])
    expected, last = one.reference()
    results, ours = one.compiled()
    torch.testing.assert_close(results, expected, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(ours, last, rtol=1e-12, atol=1e-13)
    wanted = [tensor for tensor in one.given if tensor.numel()]
    for mine, theirs in zip(gradients(results, ours, tuple(wanted)), gradients(expected, last, tuple(wanted)), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-12 * max(float(theirs.abs().max()), 1.0))


def test_a_gradient_is_the_same_whatever_else_is_asked_for() -> None:
    """Forcing, parameters and site alone get, bit for bit, what they get among all; what is not asked for gets nothing."""
    one = made(TwoBuckets(), 2, (("runoff",), ("melt",)))
    together = gradients(*one.compiled(), one.given)
    for place in (0, 2, 3):  # each is compiled by itself
        alone = one._replace(
            **{
                name: tensor.detach().requires_grad_(name == Case._fields[[1, 2, 3, 4, 6][place]])
                for name, tensor in zip(("forcing", "stores", "parameters", "site", "fractions"), one.given, strict=True)
            }
        )
        (found,) = gradients(*alone.compiled(), (alone.given[place],))
        assert torch.equal(found, together[place])


def test_a_series_cut_anywhere_is_the_same() -> None:
    """Bit for bit: in two parts, and step by step on arrays."""
    one = made(TwoBuckets(), 0, (("runoff",), ("snow",)), steps=24)
    whole, last = one.compiled()
    for cut in (1, 7, 23):
        first, between = one._replace(forcing=one.forcing[:cut], fractions=one.fractions[:cut]).compiled()
        second, end = one._replace(forcing=one.forcing[cut:], fractions=one.fractions[cut:], stores=between).compiled()
        assert torch.equal(torch.cat([first, second], 1), whole)
        assert torch.equal(end, last)
    stores = one.stores.detach().numpy()
    for t in range(24):
        stores, fluxes = step_arrays(one.model, stores, one.parameters.detach(), one.forcing[t].detach(), one.site.detach())
        np.testing.assert_allclose(fluxes[..., 0].mean(1), whole[0, t].detach(), rtol=1e-14)
    assert np.array_equal(stores, last.detach().numpy())


@pytest.mark.parametrize("k", [1, 4, 11])
def test_threads_and_neighbours_do_not_change_a_bit(k: int) -> None:
    """Results and gradients are bitwise those of one thread, and of a catchment alone."""
    one = made(TwoBuckets(), 2, (("runoff",), ("melt",)), catchments=7, k=k)
    results = []
    for count in (1, 3):
        with threads(count):
            found = one.compiled()
            results.append((*found, *gradients(*found, one.given)))
    for single, several in zip(*results, strict=True):
        assert torch.equal(single, several)
    alone = one._replace(
        forcing=one.forcing[:, 4:5],
        stores=one.stores[4:5],
        parameters=one.parameters[4:5],
        site=one.site[4:5],
        fractions=one.fractions[:, 4:5],
    )
    assert torch.equal(alone.compiled()[0], results[0][0][..., 4:5])


def test_fractions_of_single_precision_lose_their_own_digits_only() -> None:
    """The equations run in float64 whatever the precision of the network."""
    one = made(TwoBuckets(), 2, (("runoff",),))
    single = one._replace(fractions=one.fractions.detach().float())
    torch.testing.assert_close(single.compiled()[0], one.compiled()[0], rtol=1e-4, atol=1e-5)


def test_no_record_is_kept_where_no_gradient_is_asked_for() -> None:
    """Without gradients the result does not hang on anything, and is the same."""
    one = made(TwoBuckets(), 2, (("runoff",),))
    with torch.no_grad():
        results, _ = one.compiled()
    assert not results.requires_grad
    assert torch.equal(results, one.compiled()[0].detach())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("forcing", r"forcing has shape \(40, 5, 1\), expected \(40, 5, 2\)"),
        ("stores", r"stores has shape \(5, 3, 1\), expected \(5, 3, 2\)"),
        ("parameters", r"parameters has shape \(5, 3, 4\), expected \(5, 3, 5\)"),
        ("fractions", r"fractions has shape \(40, 5, 2, 2\), expected \(40, 5, 2, 3\)"),
    ],
)
def test_a_series_that_does_not_fit_is_refused(name: str, message: str) -> None:
    """Shapes are checked before compiled code reads anything."""
    one = made(TwoBuckets(), 2, (("runoff",),))
    with pytest.raises(ValueError, match=message):
        one._replace(**{name: getattr(one, name)[..., 1:]}).compiled()


def test_an_unknown_result_is_refused() -> None:
    """What there is is listed."""
    with pytest.raises(ConfigError, match="TwoBuckets: 'runof' is neither a flux nor a store; there are runoff, melt, snow, ground"):
        made(TwoBuckets(), 0, (("runof",),)).compiled()
