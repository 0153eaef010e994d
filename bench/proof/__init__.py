"""All that waits for a GPU, measured in one go: what is worth most first, each item stored when it is done."""
