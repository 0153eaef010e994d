"""The time that a recorded step takes on a card."""
