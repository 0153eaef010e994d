"""The engines: three ways to measure the same case."""
