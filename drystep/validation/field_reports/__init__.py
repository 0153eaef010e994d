"""Memory that other people published of their training steps, beside the simulation of the rebuilt steps."""
