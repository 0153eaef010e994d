"""A limit on what PyTorch's allocator may reserve on a real GPU: a larger card stands for a smaller one."""

import torch


def card_bytes(index: int) -> int:
    """Memory of a card as PyTorch shows it."""
    return torch.cuda.get_device_properties(index).total_memory


def limit_allocator(index: int, capacity_bytes: int) -> None:
    """Let PyTorch reserve so many bytes of a card and no more, for the whole process.

    Raises `ValueError` if the card has less.
    """
    total_bytes = card_bytes(index)
    if capacity_bytes > total_bytes:
        raise ValueError(f"the limit of {capacity_bytes} bytes is more than the card's {total_bytes}")
    # PyTorch multiplies and cuts: half a byte more keeps the limit from losing one.
    torch.cuda.set_per_process_memory_fraction(min(1.0, (capacity_bytes + 0.5) / total_bytes), index)
