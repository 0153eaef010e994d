"""What PyTorch cannot run on the meta device, as CUDA allocates for it."""
