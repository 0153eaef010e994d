"""Training steps of the models of transformers, named by their class."""
