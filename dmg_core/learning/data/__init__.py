"""What a training works with: data read, split, normalised, in tensors, and drawn in batches."""
