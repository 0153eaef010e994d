"""What would make the figures of a step wrong in silence: each check is one way in which this happens."""
