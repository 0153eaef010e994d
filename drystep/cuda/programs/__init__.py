"""Libraries that run a training loop for their user, and choose the device themselves."""
