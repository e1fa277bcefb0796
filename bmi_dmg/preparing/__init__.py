"""BMI configs and a realization from a hydrofabric, a forcing file and a model."""
