"""A synthetic example: catchments, weather, a model."""
