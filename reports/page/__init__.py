"""The report as one HTML page: which way of fine-tuning fits which GPU, and what it costs."""
