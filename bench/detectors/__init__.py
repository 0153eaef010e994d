"""Detectors: necks, heads and losses around a backbone, independent of fine-tuning methods."""
