"""What a routing is."""

from __future__ import annotations

from abc import ABC, abstractmethod

from dmg_core.deferred import torch
from dmg_core.models.process_model import Parameter


class Routing(ABC):
    """Leads flow from where it arises to the outlet of a catchment.

    Attributes
    ----------
    parameters : tuple of Parameter
        What a network gives for it, one number a catchment each.
    steps : int
        Steps within which the flow of one step arrives, ``L``.
    """

    parameters: tuple[Parameter, ...]
    steps: int

    @abstractmethod
    def weights(self, fractions: torch.Tensor) -> torch.Tensor:
        """Give what is constant for a catchment.

        Parameters
        ----------
        fractions : Tensor, shape (B, n)
            Its n parameters in [0, 1].

        Returns
        -------
        Tensor, shape (B, L)
            Shares of the flow of a step that arrive in this one and the following ones.
        """

    @abstractmethod
    def advance(self, flow: torch.Tensor, weights: torch.Tensor, in_transit: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Route series of flow and carry over what is still in transit.

        Parameters
        ----------
        flow : Tensor, shape (R, T, B)
            R kinds of flow, an amount per step.
        weights : Tensor, shape (B, L)
            See :meth:`weights`.
        in_transit : Tensor, shape (B, R, L - 1)
            What is on its way at the start, by the step in which it arrives.

        Returns
        -------
        Tensor (R, T, B), Tensor (B, R, L - 1)
            What arrives in each step, and what is on its way at the end.
        """
