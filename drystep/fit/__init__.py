"""A training step judged for each card: does it fit, what is left, how large a batch fits."""
