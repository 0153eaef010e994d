"""Training and evaluation on real data sets: the accuracy beside memory and time."""
