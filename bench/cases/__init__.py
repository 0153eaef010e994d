"""What one measurement is about."""
