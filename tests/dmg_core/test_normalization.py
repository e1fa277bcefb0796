"""Tests of dmg_core.normalization."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dmg_core.errors import CheckpointError, DmgError
from dmg_core.normalization import Normalizer

STATISTICS = {"prcp": (0.0, 1.0, -0.2, 0.4), "tmean": (-5.0, 20.0, 8.0, 10.0), "constant": (1.0, 1.0, 1.0, 0.0)}


@pytest.fixture
def normalizer() -> Normalizer:
    """Log-normalised precipitation, temperature, and an attribute that never varies."""
    return Normalizer.from_statistics(STATISTICS, ["prcp", "tmean", "constant"], ["prcp"])


def test_values_are_centred_and_scaled_with_the_offset_in_the_divisor() -> None:
    """Without logarithm the result is (x - mean)/(std + 1e-6), and of a variable that never varies x - mean."""
    normalizer = Normalizer.from_statistics(STATISTICS, ["tmean", "constant"])
    result = normalizer(torch.tensor([[18.0, 1.0], [8.0, 1.5]], dtype=torch.float64))
    expected = [[10.0 / (10.0 + 1e-6), 0.0], [0.0, 0.5]]
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("values", "divisor"),
    [
        (np.full(671, 20.1), 1.0),  # its standard deviation is rounding, not 0
        (np.full(671, 20.1, np.float32), 1.0),
        (np.zeros(5), 1.0),
        (np.full(5, -13.7), 1.0),
        (np.array([1e-8, 3e-8]), 1e-8 + 1e-6),
        (np.array([20.1, 20.2]), 0.05 + 1e-6),
    ],
)
def test_what_never_varies_is_divided_by_one(values: np.ndarray, divisor: float) -> None:
    """Constants are known by their standard deviation beside their mean, so that small quantities that vary are none."""
    row = (0.0, 0.0, float(values.mean()), float(values.std()))
    assert Normalizer.from_statistics({"x": row}, ["x"]).divisor[0] == pytest.approx(divisor, rel=1e-9)


def test_log_normalised_variables_are_transformed_first(normalizer: Normalizer) -> None:
    """A log-normalised variable becomes log10(sqrt(max(x, 0)) + 0.1) before its statistics apply; the others do not."""
    result = normalizer(torch.tensor([[16.0, 8.0, 1.0], [-3.0, 8.0, 1.0]], dtype=torch.float64))
    expected = [(np.log10(4.1) + 0.2) / (0.4 + 1e-6), (np.log10(0.1) + 0.2) / (0.4 + 1e-6)]
    np.testing.assert_allclose(result[:, 0].numpy(), expected, rtol=1e-12)
    np.testing.assert_array_equal(result[:, 1:].numpy(), 0.0)


def test_statistics_are_taken_by_name_in_the_order_asked_for() -> None:
    """The order of the names, not of the table, decides; log names that are not among them do not matter."""
    normalizer = Normalizer.from_statistics(STATISTICS, ["tmean", "prcp"], ["prcp", "elsewhere"])
    assert normalizer.names == ("tmean", "prcp")
    np.testing.assert_array_equal(normalizer.mean, [8.0, -0.2])
    np.testing.assert_array_equal(normalizer.std, [10.0, 0.4])
    np.testing.assert_array_equal(normalizer.divisor, [10.0 + 1e-6, 0.4 + 1e-6])
    np.testing.assert_array_equal(normalizer.log, [False, True])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(3,), (4, 3), (5, 4, 3)])
def test_shape_and_dtype_are_kept(normalizer: Normalizer, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    """Any leading shape and both precisions come back as they went in."""
    result = normalizer(torch.ones(shape, dtype=dtype))
    assert result.shape == shape
    assert result.dtype == dtype


def test_gradient_is_exact_on_wet_days_and_zero_on_dry_ones(normalizer: Normalizer) -> None:
    """The gradient through the logarithm is that of the formula for rain and 0, neither infinite nor NaN, without rain."""
    values = torch.tensor([[4.0, 3.0, 1.0], [0.0, 3.0, 1.0], [-1.0, 3.0, 1.0]], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(normalizer(values).sum(), values)
    wet = 1.0 / (2.0 * 2.0) / ((2.0 + 0.1) * np.log(10.0)) / (0.4 + 1e-6)
    np.testing.assert_allclose(gradient[:, 0].numpy(), [wet, 0.0, 0.0], rtol=1e-12)
    np.testing.assert_allclose(gradient[:, 1].numpy(), 1.0 / (10.0 + 1e-6), rtol=1e-12)


def test_missing_values_stay_missing(normalizer: Normalizer) -> None:
    """NaN is not taken for a dry day."""
    result = normalizer(torch.tensor([np.nan, np.nan, 1.0]))
    assert result.isnan().tolist() == [True, True, False]


def test_all_variables_without_statistics_are_named() -> None:
    """An error lists every missing variable."""
    with pytest.raises(CheckpointError, match="no normalisation statistics for slope, NDVI"):
        Normalizer.from_statistics(STATISTICS, ["slope", "tmean", "NDVI"])


@pytest.mark.parametrize("values", [torch.ones(4, 1), torch.ones(4, 2), torch.tensor(1.0), torch.ones(4, 3, dtype=torch.int64)])
def test_wrong_shapes_and_integers_are_refused(normalizer: Normalizer, values: torch.Tensor) -> None:
    """Values that could only be broadcast or truncated are an error that names the variables and what was found."""
    with pytest.raises(DmgError, match=r"3 variables \(prcp, tmean, constant\).*found torch\.(float32|int64) of shape"):
        normalizer(values)
