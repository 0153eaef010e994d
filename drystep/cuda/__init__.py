"""What CUDA does that the meta device does not: one rule a file."""
