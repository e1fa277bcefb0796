"""What would break a run, or quietly spoil it."""
