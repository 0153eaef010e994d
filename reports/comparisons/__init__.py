"""Tables of what the paper does not compare: ways to spend less memory, beside each other."""
