"""Backbone, necks, heads and losses; they know nothing of fine-tuning methods."""
