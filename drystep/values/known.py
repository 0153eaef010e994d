"""Real values beside meta tensors, kept by storage, so that views need nothing and writes through a view reach all."""

import weakref
from typing import Any, Literal

import torch
from torch import Tensor

from drystep.torch_private import key_of, storage_key

Origin = Literal[0, 1, 2]
KNOWN: Origin = 0
"""Follows from data of the program."""
DRAWN: Origin = 1
"""Follows from random numbers that were drawn in the place of the program's."""
ASSUMED: Origin = 2
"""Follows from an assumption or a statement."""
DEFAULT_LIMIT_BYTES = 4 << 20
"""Largest storage whose values are kept. Boxes and masks of objects are smaller, images and activations larger."""
MOST_UNIFORM = 1 << 24
"""Most elements of a tensor of equal values that operators compute with."""


class _Entry:
    """Values of one storage: all its bytes, or the one value that all its elements have."""

    __slots__ = ("bytes", "is_blank", "origin", "uniform")

    def __init__(self, origin: Origin) -> None:
        self.origin: Origin = origin
        self.is_blank = False
        self.bytes: torch.UntypedStorage | None = None
        self.uniform: Tensor | None = None


class KnownValues:
    """Values of the meta tensors for which they are known, drawn or assumed.

    Storages beyond `limit_bytes` have none; None means that there is no limit.
    """

    def __init__(self, limit_bytes: int | None = DEFAULT_LIMIT_BYTES) -> None:
        self.limit_bytes = limit_bytes
        self._entries: dict[int, _Entry] = {}
        self._answers: dict[int, dict[Any, Any]] = {}  # what was answered about tensors in a storage
        self._guards: dict[int, Any] = {}

    def origin(self, tensor: Tensor) -> Origin | None:
        """Where the values of a tensor come from; None if they are unknown."""
        if not tensor.is_meta:
            return KNOWN if tensor.is_cpu else None
        entry = self._entries.get(storage_key(tensor))
        return None if entry is None or entry.is_blank else entry.origin

    def of(self, tensor: Tensor) -> Tensor | None:
        """The values of a tensor as a tensor on the CPU, which shares memory with its other views; None if unknown."""
        if not tensor.is_meta:
            return tensor if tensor.is_cpu else None
        entry = self._entries.get(storage_key(tensor))
        if entry is None or entry.is_blank or tensor.is_conj() or tensor.is_neg():
            return None
        if entry.uniform is not None and entry.uniform.dtype == tensor.dtype:
            return entry.uniform.expand(tensor.shape) if tensor.numel() <= MOST_UNIFORM else None
        if entry.uniform is not None and not self.writable(tensor):
            return None
        assert entry.bytes is not None
        return _viewed(entry.bytes, tensor)

    def uniform(self, tensor: Tensor) -> Tensor | None:
        """The one value that all elements of a tensor have, if it was assumed so; otherwise None."""
        entry = self._entries.get(storage_key(tensor)) if tensor.is_meta else None
        return None if entry is None else entry.uniform

    def fits(self, size_bytes: int) -> bool:
        """Whether values of so many bytes are kept."""
        return self.limit_bytes is None or size_bytes <= self.limit_bytes

    def put(self, tensor: Tensor, value: Tensor, origin: Origin) -> None:
        """Keep the values of a meta tensor, and forget those of the rest of its storage; nothing if it is too large."""
        storage = tensor.untyped_storage()
        if storage.nbytes() == 0 or not self.fits(storage.nbytes()):
            return
        kept = torch.UntypedStorage(storage.nbytes())
        _viewed(kept, tensor).copy_(value)
        self._entry(storage, origin).bytes = kept

    def put_blank(self, tensor: Tensor) -> None:
        """Keep room for values in memory that nobody has written yet; its values are unknown until somebody does."""
        storage = tensor.untyped_storage()
        if storage.nbytes() and self.fits(storage.nbytes()):
            entry = self._entry(storage, KNOWN)
            entry.uniform, entry.is_blank = torch.zeros((), dtype=torch.uint8), True

    def is_blank(self, tensor: Tensor) -> bool:
        """Whether nobody has written to a tensor's storage yet."""
        entry = self._entries.get(storage_key(tensor)) if tensor.is_meta else None
        return entry is not None and entry.is_blank

    def begin_writing(self, tensor: Tensor) -> None:
        """Let blank memory have values. A program writes to all of it before it reads, so the rest does not matter."""
        entry = self._entries.get(storage_key(tensor))
        if entry is not None:
            entry.is_blank = False

    def put_uniform(self, tensor: Tensor, value: complex, origin: Origin) -> None:
        """Keep that all elements of a meta tensor are equal, however large it is. That takes no memory."""
        storage = tensor.untyped_storage()
        if tensor.numel() * tensor.element_size() == storage.nbytes() and storage.nbytes():
            self._entry(storage, origin).uniform = torch.full((), value, dtype=tensor.dtype)

    def taint(self, tensor: Tensor, origin: Origin) -> None:
        """Note that values of another origin were written to a tensor."""
        entry = self._entries.get(storage_key(tensor))
        if entry is not None:
            entry.origin = max(entry.origin, origin)

    def writable(self, tensor: Tensor) -> bool:
        """Whether the values of a tensor can be written to; makes single bytes of a uniform one if they are kept."""
        entry = self._entries.get(storage_key(tensor))
        if entry is None or entry.uniform is None:
            return entry is not None
        size_bytes = tensor.untyped_storage().nbytes()
        if not self.fits(size_bytes):
            return False
        elements = size_bytes // entry.uniform.element_size()
        entry.bytes, entry.uniform = entry.uniform.expand(elements).contiguous().untyped_storage(), None
        return True

    def wrote_to(self, tensor: Tensor) -> None:
        """Forget what was answered about a tensor, because it has other values now."""
        self._answers.pop(storage_key(tensor), None)

    def forget(self, tensor: Tensor) -> None:
        """Forget the values of a tensor's storage, and what was answered about them."""
        key = storage_key(tensor)
        self._entries.pop(key, None)
        self._answers.pop(key, None)

    def remember(self, tensor: Tensor, question: str, answer: Any) -> None:
        """Keep what was answered about a tensor until something is written to it."""
        storage = tensor.untyped_storage()
        if storage.nbytes():
            self._guard(storage)
            self._answers.setdefault(key_of(storage), {})[question, _place_in_storage(tensor)] = answer

    def recall(self, tensor: Tensor, question: str) -> Any:
        """What was answered about a tensor; None if nothing was."""
        answers = self._answers.get(storage_key(tensor))
        return answers.get((question, _place_in_storage(tensor))) if answers else None

    def _entry(self, storage: Any, origin: Origin) -> _Entry:
        self._guard(storage)
        entry = self._entries[key_of(storage)] = _Entry(origin)
        self._answers.pop(key_of(storage), None)
        return entry

    def _guard(self, storage: Any) -> None:
        """Forget all about a storage when it is freed, because another one may get its key."""
        key = key_of(storage)
        if key in self._guards:
            return

        def died(_: object) -> None:
            for kept in (self._guards, self._entries, self._answers):
                kept.pop(key, None)

        self._guards[key] = weakref.ref(storage, died)


def _viewed(storage: torch.UntypedStorage, like: Tensor) -> Tensor:
    view = torch.empty(0, dtype=like.dtype)
    return view.set_(storage, like.storage_offset(), like.size(), like.stride())


def _place_in_storage(tensor: Tensor) -> tuple[Any, ...]:
    return tensor.storage_offset(), tensor.shape, tensor.stride(), tensor.dtype
