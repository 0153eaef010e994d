"""What `validate` checks, runs and prints."""
