"""Three ways to measure the same case."""
