"""Compiled forward and reverse runs against the torch form and automatic differentiation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from dmg_core.physics.equations import Site
from dmg_core.physics.hbv import Hbv
from dmg_core.physics.members import Hbv10, Hbv11p, Hbv20, Hbv20Hourly, Hbv21Hourly

DYNAMIC = ("parBETA", "parK0", "parBETAET")
#: Parameters whose bounds the equations have kinks for.
KINKED = ("parFC", "parPERC", "parUZL", "parTT", "parCFMAX")
MEMBERS = [(member, DYNAMIC) for member in (Hbv10, Hbv11p, Hbv20, Hbv20Hourly, Hbv21Hourly)]
FAMILY = [*MEMBERS, (Hbv20, KINKED), (Hbv20, ("parRT", "parAC")), (Hbv21Hourly, ("parF0", "parALPHA", "parKS"))]


class Case(NamedTuple):
    """A model, its weather, and fractions of its parameters that gradients are asked of."""

    model: Hbv
    forcing: Tensor
    dynamic: Tensor
    static: Tensor
    routing: Tensor
    site: Site

    @property
    def learned(self) -> tuple[Tensor, ...]:
        """What gradients are asked of."""
        return self.dynamic, self.static, self.routing


def made(model: type[Hbv], dynamic: tuple[str, ...], steps: int, catchments: int, nmul: int, seed: int = 0) -> Case:
    """Weather with frost, drought and storms; the first catchments have all parameters at a bound or in the middle."""
    random = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=random, dtype=torch.float64)

    hbv = model(nmul=nmul, dynamic=dynamic)
    daily = hbv.variant.steps_per_day == 1
    precipitation = torch.where(uniform(steps, catchments) < 0.4, 60.0 * uniform(steps, catchments) ** 3, 0.0)
    season = 12.0 * torch.sin(torch.arange(steps, dtype=torch.float64) / 30.0)[:, None]
    temperature = season + 6.0 * torch.randn(steps, catchments, generator=random, dtype=torch.float64)
    pet = (1.0 if daily else 0.1) * 5.0 * uniform(steps, catchments)
    fractions, static = uniform(steps, catchments, len(dynamic), nmul), uniform(catchments, len(hbv.static_parameters), nmul)
    for catchment, value in enumerate((0.0, 1.0, 0.5)):
        fractions[:, catchment] = static[catchment] = value
    routing = uniform(catchments, 2)
    site = hbv.site(catchments, precipitation, 5000.0 * uniform(catchments), 3000.0 * uniform(catchments))
    case = Case(hbv, torch.stack([precipitation, temperature, pet], dim=-1), fractions, static, routing, site)
    for tensor in case.learned:
        tensor.requires_grad_()
    return case


def reference(case: Case) -> Tensor:
    """Streamflow by the torch form."""
    outputs, _ = case.model.simulate(case.forcing, case.dynamic, *case.model.constants(case.static, case.routing), case.site)
    return outputs["streamflow"]


def compiled(case: Case, warm_up: int = 0) -> Tensor:
    """Streamflow by compiled code."""
    return case.model.streamflow(case.forcing, case.dynamic, *case.model.constants(case.static, case.routing), case.site, warm_up=warm_up)


def weighted(flow: Tensor) -> Tensor:
    """Sum with weights of both signs, so that no part of a gradient is hidden behind another."""
    return (flow * torch.sin(torch.arange(flow.numel(), dtype=flow.dtype)).reshape(flow.shape)).sum()


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch have so many threads within the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(("model", "dynamic"), FAMILY)
def test_the_compiled_series_and_its_gradient_are_those_of_the_torch_form(model: type[Hbv], dynamic: tuple[str, ...]) -> None:
    """Flow agrees to 1e-12 and each gradient to 1e-10 of the largest, parameters at their bounds included."""
    case = made(model, dynamic, steps=300, catchments=7, nmul=5)
    expected = reference(case)
    flow = compiled(case)
    torch.testing.assert_close(flow, expected, rtol=1e-12, atol=1e-13)
    for ours, theirs in zip(
        torch.autograd.grad(weighted(flow), case.learned), torch.autograd.grad(weighted(expected), case.learned), strict=True
    ):
        assert theirs.abs().max() > 0
        torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=1e-10 * float(theirs.abs().max()))


@pytest.mark.parametrize(("model", "dynamic"), FAMILY)
def test_the_gradient_is_that_of_finite_differences(model: type[Hbv], dynamic: tuple[str, ...]) -> None:
    """Automatic differentiation is not the judge here: gradcheck compares with differences, away from kinks."""
    case = made(model, dynamic, steps=25, catchments=4, nmul=1, seed=3)
    # The last catchment alone: those at bounds sit on kinks, where a difference is not a derivative.
    dynamic_fractions, static, routing = (tensor.detach() for tensor in case.learned)

    def flow(last_dynamic: Tensor, last_static: Tensor, last_routing: Tensor) -> Tensor:
        constants = case.model.constants(last_static, last_routing)
        site = Site(*(value[3:] for value in case.site))
        return case.model.streamflow(case.forcing[:, 3:], last_dynamic, *constants, site)

    inputs = (dynamic_fractions[:, 3:], static[3:], routing[3:])
    assert torch.autograd.gradcheck(flow, tuple(tensor.clone().requires_grad_() for tensor in inputs), eps=1e-7, atol=2e-6, rtol=1e-4)


@pytest.mark.parametrize(("model", "dynamic"), MEMBERS)
def test_a_warm_up_fills_the_stores_and_learns_nothing(model: type[Hbv], dynamic: tuple[str, ...]) -> None:
    """Flow after a warm-up is that of the whole series; gradients are those of a run from the stores as they are then."""
    case = made(model, dynamic, steps=120, catchments=5, nmul=3)
    flow = compiled(case, warm_up=80)
    torch.testing.assert_close(flow, compiled(case)[80:], rtol=1e-12, atol=0.0)
    owed = torch.autograd.grad(weighted(flow), case.learned)

    constants = case.model.constants(case.static, case.routing)
    with torch.no_grad():
        _, state = case.model.simulate(case.forcing[:80], case.dynamic[:80], *constants, case.site)
    outputs, _ = case.model.simulate(case.forcing[80:], case.dynamic[80:], *constants, case.site, state)
    for ours, theirs in zip(owed, torch.autograd.grad(weighted(outputs["streamflow"]), case.learned), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=1e-10 * float(theirs.abs().max()))
    assert not owed[0][:80].any()


@pytest.mark.parametrize("nmul", [1, 4, 16])
def test_threads_and_groups_do_not_change_a_bit(nmul: int) -> None:
    """Flow and gradients are bitwise the same on one thread and on three, whoever shares a group."""
    case = made(Hbv11p, DYNAMIC, steps=50, catchments=7, nmul=nmul)
    results = []
    for count in (1, 3):
        with threads(count):
            flow = compiled(case)
            # Gradients with respect to what the compiled code gives, before torch's own sums over parameters.
            results.append((flow.detach(), torch.autograd.grad(weighted(flow), case.dynamic)[0]))
    for one, three in zip(*results, strict=True):
        assert torch.equal(one, three)


def test_float32_fractions_lose_their_own_digits_only() -> None:
    """The equations run in float64 whatever the precision of the network: flow differs by the rounding of its outputs."""
    case = made(Hbv20, DYNAMIC, steps=200, catchments=6, nmul=4)
    single = Case(case.model, case.forcing, *(tensor.detach().float() for tensor in case.learned), case.site)
    torch.testing.assert_close(compiled(single), compiled(case), rtol=2e-4, atol=1e-6, check_dtype=False)


def test_no_record_is_kept_where_no_gradient_is_asked_for() -> None:
    """Without gradients the result does not hang on anything, and is the same."""
    case = made(Hbv20, DYNAMIC, steps=30, catchments=4, nmul=2)
    with torch.no_grad():
        flow = compiled(case)
    assert not flow.requires_grad
    assert torch.equal(flow, compiled(case).detach())


def test_a_series_that_does_not_fit_is_refused() -> None:
    """Shapes are checked before compiled code reads anything."""
    case = made(Hbv20, DYNAMIC, steps=30, catchments=4, nmul=2)
    constants = case.model.constants(case.static, case.routing)
    with pytest.raises(ValueError, match=r"dynamic parameters has shape \(29, 4, 3, 2\), expected \(30, 4, 3, 2\)"):
        case.model.streamflow(case.forcing, case.dynamic[1:], *constants, case.site)
