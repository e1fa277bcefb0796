"""Catchments run through weather before a run."""
