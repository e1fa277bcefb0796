"""From the weather of an hour to a step of the model."""
