"""Batch sizes of a step: the largest that fits a card, and how fast each is."""
