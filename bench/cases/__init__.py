"""The cases of the suite: everything that one measurement depends on."""
