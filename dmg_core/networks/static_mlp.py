"""Static parameters alone, from attributes: no part is stepped through time."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from dmg_core.networks.base import Network, NetworkState, SplitNetwork
from dmg_core.networks.mlp import AnnModel


class NoNetwork(Network):
    """A network without inputs, outputs, weights and state, in the place of one that is stepped.

    Parameters
    ----------
    dtype : torch.dtype
        Precision that it stands for.
    """

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.nothing = nn.Parameter(torch.empty(0, dtype=dtype))

    @property
    def state_sizes(self) -> Mapping[str, int]:
        """Nothing."""
        return {}

    def advance(self, x: Tensor, state: NetworkState) -> tuple[Tensor, NetworkState]:
        """Give no outputs."""
        return x.new_empty((*x.shape[:2], 0)), state


class AnnNetwork(SplitNetwork):
    """Two networks, of which the one for attributes is called ``ann``, as in δMG's weights."""

    ann: nn.Module

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


class StaticMlpModel(AnnNetwork):
    """All parameters from ``ann``, which reads attributes; learns without an LSTM, in a small part of the time.

    Parameters
    ----------
    ann : Module
        Gives all parameters, in [0, 1].
    """

    def __init__(self, ann: nn.Module) -> None:
        super().__init__()
        self.ann = ann
        self.unstepped = NoNetwork()

    @property
    def stepped(self) -> Network:
        """Nothing is."""
        return self.unstepped
