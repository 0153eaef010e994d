"""What a recorded step costs on a card: the caching allocator, replayed."""
