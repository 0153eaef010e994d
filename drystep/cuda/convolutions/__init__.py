"""Workspaces that cuDNN requests for convolutions: which algorithms run where, and what they need."""
