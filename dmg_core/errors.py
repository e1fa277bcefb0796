"""Errors that say where a problem is and what would be right.

Every error raised on purpose by this project derives from :class:`DmgError`, so that a caller can tell "the input is wrong" from "the
software is wrong". Messages name the file, key, catchment and time at fault as far as they are known.
"""

from __future__ import annotations


class DmgError(Exception):
    """Base of all errors raised on purpose by dmg_core and bmi_dmg."""


class ConfigError(DmgError):
    """Raise if a configuration file or setting is missing, unknown or out of range."""


class CheckpointError(DmgError):
    """Raise if a model folder cannot be read or its files do not fit together."""


class AttributeTableError(DmgError):
    """Raise if catchment attributes are missing, non-finite or of the wrong shape."""


class ForcingError(DmgError):
    """Raise if weather input is missing, non-finite or physically impossible."""


class NetworkError(DmgError):
    """Raise if units, gauges and the network between them contradict each other: loops, doubled units, areas of zero."""


class StateError(DmgError):
    """Raise if a state does not belong to the model or catchment it is given to, or the model is not ready to step."""


class SolutionError(DmgError):
    """Raise if a step of a model gives what is no number: an equation has no solution, or something is divided by zero."""


class CatchmentError(DmgError, IndexError, ValueError):
    """Raise if an engine has no such catchment, not any more, or another of that name; what a list or numpy would raise as well."""


class WriteError(OSError, DmgError):
    """Raise if a file cannot be written: the disk is full or read-only, or permission is missing.

    Parameters
    ----------
    errno : int or None
        Number of the system's error.
    strerror : str
        What the system says.
    filename : str
        The file that was to be written.
    """

    def __str__(self) -> str:
        """Name the file and what the system says."""
        return f"{self.filename}: cannot be written: {self.strerror}"
