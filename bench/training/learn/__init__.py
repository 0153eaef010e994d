"""Does each method learn? A small Swin is pre-trained on one made-up domain and fine-tuned on others."""
