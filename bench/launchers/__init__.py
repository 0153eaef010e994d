"""Who runs the cases."""
