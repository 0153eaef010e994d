"""How long a recorded step takes on a card."""
