"""Automatic mixed precision: which operators cast, when, and in which regions of a step."""
