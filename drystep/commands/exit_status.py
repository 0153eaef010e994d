"""Exit statuses of the command lines, beside 128 and the number of the signal that ended a command (130 for Ctrl-C)."""

OK, FAILED, WRONG_COMMAND, DOES_NOT_FIT = 0, 1, 2, 3
"""All went well; a step or case failed, or its output; the command was wrong; a named card is too small."""
