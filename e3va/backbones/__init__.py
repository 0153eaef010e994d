"""The shared Swin, and views of other Swins."""
