"""Accuracy of our own trainings, and what their steps took beside what was simulated and predicted for them."""
