"""What the processes of a distributed training must agree on: the counts that losses are divided by."""

import torch.distributed as dist
from torch import Tensor


def mean_over_processes(count: Tensor) -> Tensor:
    """Mean over all processes of a count (), at least one in total, by which each process divides its sum of losses.

    `DistributedDataParallel` takes the mean of the gradients over processes. Divided by this mean, they are those of
    the sum of all losses divided by the sum of all counts, as one process with all images would have them
    (mmdetection's `reduce_mean`). The count is a float32 then. Without further processes it is `count`, at least one.
    All processes must call this equally often.
    """
    processes = dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1
    if processes == 1:
        return count.clamp(min=1)
    total = count.detach().float()  # float32 holds counts up to 16 million without error
    dist.all_reduce(total)
    return total.clamp_(min=1).div_(processes)
