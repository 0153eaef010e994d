"""The data sets as they are on disk: one reader for each format."""
