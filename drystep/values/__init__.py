"""Stated values for what a step reads on the host, since meta tensors have none."""
