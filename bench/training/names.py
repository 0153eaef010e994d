"""Names of a run's files, and of its sources. Does not import PyTorch, because command lines use them."""

RUN_FILE, LOG_FILE, CHECKPOINTS, TENSORBOARD = "run.json", "log.jsonl", "checkpoints", "tensorboard"
FROZEN_FILE = "frozen.safetensors"
"""What training leaves alone: random values, or the fingerprint of published ones."""
SUMMARY_FILE = "training.json"
"""What a training took, once it has ended."""
ACCURACY_FILE, DETECTIONS_FILE = "accuracy.json", "detections.json"
"""What `bench evaluate` writes."""
ALL_FILES = (RUN_FILE, LOG_FILE, FROZEN_FILE, SUMMARY_FILE, ACCURACY_FILE, DETECTIONS_FILE)
PRETRAINED = "timm"
"""Source of weights of `--pretrained` without a file: timm's ImageNet-22K weights."""
