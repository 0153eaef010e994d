"""Memory of a training step without a GPU."""
