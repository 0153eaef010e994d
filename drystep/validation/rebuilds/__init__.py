"""Training steps of other people, rebuilt from their public configurations: the steps of `field_reports.csv`."""
