"""Calibration of a card's step times from measured steps."""
