"""Recording of what a training step allocates and frees."""
