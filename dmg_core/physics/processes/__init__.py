"""The processes of HBV, one module for each part of a catchment; see :mod:`dmg_core.physics.equations`."""
