"""What a step reads on the host, where tensors have no values."""
