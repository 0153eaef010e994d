"""Tables and pictures from stored results; imports no torch."""
