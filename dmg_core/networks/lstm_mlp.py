"""The network of δHBV 2.0: an LSTM for parameters that vary in time, a feed-forward network for those that do not."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dmg_core.networks.base import Network
from dmg_core.networks.static_mlp import AnnNetwork


class LstmMlpModel(AnnNetwork):
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
