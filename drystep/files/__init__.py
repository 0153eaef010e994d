"""Files that programs of ours write: locked while they change, whole or not there, grown line by line."""
