"""Annotations of many images in two objects, which processes share without copying them."""

import pickle
from collections.abc import Iterable
from itertools import accumulate
from typing import Any

import numpy as np

Annotations = list[dict[str, Any]]
"""The annotations of one image."""


class AnnotationStore:
    """The annotations of each image, packed into one string of bytes.

    A worker process that only reads a list of dictionaries still writes to it, because Python counts references in
    each. It would come to own a copy of everything (some GiB for COCO) within an epoch.
    """

    def __init__(self, images: Iterable[Annotations]) -> None:
        packed = [pickle.dumps(annotations) for annotations in images]
        self.ends = np.fromiter(accumulate(map(len, packed)), dtype=np.int64, count=len(packed))
        self.content = b"".join(packed)

    def __getitem__(self, index: int) -> Annotations:
        start = int(self.ends[index - 1]) if index else 0
        return pickle.loads(memoryview(self.content)[start : int(self.ends[index])])
