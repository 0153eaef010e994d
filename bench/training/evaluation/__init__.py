"""Accuracy by the field's own evaluators."""
