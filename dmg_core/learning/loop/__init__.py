"""How a training goes: iterations, optimisation, validation, checkpoints, and processes that share the work."""
