"""What a fine-tuned task takes on disk: the size of the safetensors file of all that training changes."""

import json

import torch
from torch import nn

from e3va.backbones.trained_state import trainable_state_dict

DTYPES = {
    torch.int64: "I64", torch.float64: "F64", torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16",
}  # fmt: skip
"""Type of elements -> its name in a file, in the order in which a file holds them."""
LENGTH_BYTES = ALIGNMENT_BYTES = 8
"""A file begins with the length of its header; a header is filled up with spaces to a multiple of its alignment."""


def stored_bytes(model: nn.Module) -> int:
    """Size of the file that `safetensors.torch.save_file(trainable_state_dict(model), path)` writes.

    Nothing is written, and the model may be on the meta device. Modules whose parameters are frozen, and that gather no
    statistics, take nothing; a file without tensors has its 16 bytes all the same.
    """
    order = list(DTYPES)
    state = sorted(trainable_state_dict(model).items(), key=lambda entry: (order.index(entry[1].dtype), entry[0]))
    header, end = {}, 0
    for name, tensor in state:
        start, end = end, end + tensor.numel() * tensor.element_size()
        header[name] = {"dtype": DTYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False)
    header_bytes = -(-len(text.encode()) // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
    return LENGTH_BYTES + header_bytes + end
