"""Small made-up data sets, drawn by arithmetic and written in the real formats."""
