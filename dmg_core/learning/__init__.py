"""Learning the parameters of a model from observed flow."""
