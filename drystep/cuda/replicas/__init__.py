"""One process that stands for several: process groups, and DistributedDataParallel in the user's own program."""
