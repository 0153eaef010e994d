"""The simulation beside what others measured."""
