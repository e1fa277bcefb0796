"""The versions of ngen that differ in what they read and do."""

from __future__ import annotations

from enum import Enum


class NgenKind(str, Enum):
    """A kind of ngen."""

    #: NOAA-OWP's main branch, and NGIAB's.
    STOCK = "stock"
    #: The same with the serialization protocol of its pull request 957.
    PR957 = "pr957"
    #: NGWPC's operational fork: ``state_saving``, and layouts of its own for hydrofabric and forcing.
    NGWPC = "ngwpc"

    @property
    def label(self) -> str:
        """What it is called in messages."""
        return {"stock": "ngen", "pr957": "ngen with PR 957", "ngwpc": "NGWPC's ngen"}[self.value]
