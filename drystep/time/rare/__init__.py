"""Work of operators that few models use: one file for each family, each with the rules of its operators."""
