"""The memory that a recorded step takes on a card: its allocations replayed through the caching allocator."""
