"""Factors by which a card's kernels take longer than its peaks say, fitted to measured steps."""
