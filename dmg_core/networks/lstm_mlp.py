"""The network of δHBV 2.0: an LSTM for parameters that vary in time, a feed-forward network for those that do not."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dmg_core.networks.base import Network, SplitNetwork
from dmg_core.networks.mlp import AnnModel


class LstmMlpModel(SplitNetwork):
    """Dynamic parameters from ``lstminv``, static ones from ``ann``, both in [0, 1].

    Parameters
    ----------
    lstminv : Network
        An LSTM in δHBV 2.0. Reads forcings and attributes, step by step.
    ann : Module
        Reads attributes; an AnnModel in δHBV 2.0.
    """

    def __init__(self, lstminv: Network, ann: nn.Module) -> None:
        super().__init__()
        self.lstminv = lstminv
        self.ann = ann

    @property
    def stepped(self) -> Network:
        """``lstminv``."""
        return self.lstminv

    @property
    def static_part(self) -> nn.Module:
        """``ann``."""
        return self.ann

    def replace_static_part(self, part: nn.Module) -> None:
        """Take another ``ann``."""
        self.ann = part

    @torch.no_grad()
    def take_no_notice(self, forcings: Tensor, attributes: Tensor) -> None:
        """Set weights of inputs that never vary in training to 0, in both networks."""
        super().take_no_notice(forcings, attributes)
        if isinstance(self.ann, AnnModel):
            self.ann.i2h.weight[:, attributes] = 0.0

    def forward(self, x: Tensor, attributes: Tensor) -> tuple[Tensor, Tensor]:
        """Give the parameters of a whole series.

        Parameters
        ----------
        x : Tensor, shape (T, B, n_forcings + n_attributes)
            Normalised forcings and attributes.
        attributes : Tensor, shape (B, n_attributes)
            Normalised attributes.

        Returns
        -------
        tuple of Tensor
            Dynamic (T, B, ·) and static (B, ·) parameters.
        """
        raw, _ = self.lstminv.advance(x, self.lstminv.initial_state(x.shape[1]))
        return torch.sigmoid(raw), self.ann(attributes)
