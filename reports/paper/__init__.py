"""The paper's claims beside our figures: Figure 1, GPU classes, averages, costs, logs, and what has no figure."""
