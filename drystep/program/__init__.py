"""The lines and places of the program that is simulated."""
