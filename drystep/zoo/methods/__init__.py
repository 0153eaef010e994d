"""Methods of fine-tuning for any model: which parameters train, and what is added to the model."""
