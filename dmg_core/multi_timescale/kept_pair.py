"""What an engine needs of a multi-timescale model to step it."""

from __future__ import annotations

from dataclasses import dataclass

from dmg_core.model_form import KeptForm
from dmg_core.multi_timescale.kernels import TransferArrays


@dataclass(frozen=True, eq=False)
class KeptPair:
    """The forms of the two models of a multi-timescale model as they were kept, and what connects them.

    Attributes
    ----------
    daily, hourly : KeptForm
        The two models.
    days, hours : int
        Windows of the training.
    transfer : TransferArrays
        Layers between the two LSTMs.
    attribute_names : tuple of str
        Attributes a catchment must have.
    """

    daily: KeptForm
    hourly: KeptForm
    days: int
    hours: int
    transfer: TransferArrays
    attribute_names: tuple[str, ...]
