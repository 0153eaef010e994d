"""Comparison of simulations with published measurements."""
