"""Step times on a CPU: rounds in turns with a reference, what disturbed them, and how sure their ratios are."""
