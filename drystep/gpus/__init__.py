"""Classes of GPUs: memory and peaks."""
