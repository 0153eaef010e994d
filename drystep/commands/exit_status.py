"""Exit statuses of the command lines."""

OK, FAILED, WRONG_COMMAND, DOES_NOT_FIT, INTERRUPTED = 0, 1, 2, 3, 130
"""All went well; a step or case failed; the command was wrong; a named card is too small; Ctrl-C."""
