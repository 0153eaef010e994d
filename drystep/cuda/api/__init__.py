"""PyTorch's interface as a program calls it: what it asks of CUDA by name, and what no operator shows."""
