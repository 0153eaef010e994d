"""The fine-tuning methods that E3VA is compared with, one file each."""
