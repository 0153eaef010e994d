"""Measured step times: shares of Full's from steps in turns, how sure they are, and what disturbed them."""
