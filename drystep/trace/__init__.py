"""What a training step allocates and frees, recorded."""
