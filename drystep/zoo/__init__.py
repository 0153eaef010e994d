"""Where training steps come from."""
