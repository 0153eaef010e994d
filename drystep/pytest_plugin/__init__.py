"""A pytest plugin that limits and gates the GPU memory of training steps."""
