"""Observations of yesterday correct the states of today."""
