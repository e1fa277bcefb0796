"""What a training does: an experiment as settings, from its YAML file to the model it names."""
