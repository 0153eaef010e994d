"""One case, one fresh process: whatever a measurement does to its process, the suite goes on and says what it was."""
