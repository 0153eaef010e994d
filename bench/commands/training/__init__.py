"""Commands that train, evaluate and make data."""
