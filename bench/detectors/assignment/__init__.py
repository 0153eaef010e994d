"""Which boxes are learned as which objects: matching by overlap, and sampling of a fixed number."""
