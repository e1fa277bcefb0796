"""Observed flow corrects a catchment while it is stepped."""
