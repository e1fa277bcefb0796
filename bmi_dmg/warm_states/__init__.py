"""Warm states from a spin-up, and what is in a file of states."""
