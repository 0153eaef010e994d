"""What turns the outputs of detectors into detections: the best boxes of each class, and masks of whole images."""
