"""What CUDA's kernels allocate for themselves besides their results."""
