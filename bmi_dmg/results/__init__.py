"""A run that has ended, read back."""
