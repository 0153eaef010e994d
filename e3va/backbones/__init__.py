"""The Swin that all methods share, and the same interface for other Swins."""
