"""Loading of the training steps that a user names."""
