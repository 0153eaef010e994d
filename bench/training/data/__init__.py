"""Data sets in their real formats, their augmentation, and batches of them."""
