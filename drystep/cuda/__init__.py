"""How CUDA differs from the meta device, as far as memory goes: one rule per file."""
