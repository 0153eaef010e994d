"""The paper's claims beside our figures: its GPU classes, its averages, its authors' logs, and what has no figure."""
