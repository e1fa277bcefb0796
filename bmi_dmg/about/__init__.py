"""What can be told of an installation, for a report of a fault, and of a model, for a paper."""
