"""The code of torchvision's models: what each family takes, and the loss that it is trained with."""
