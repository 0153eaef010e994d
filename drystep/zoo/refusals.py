"""What a library says when it refuses a model or an input, in one line."""

LONGEST = 200


def said(error: BaseException) -> str:
    """The first line of an error's message, shortened, with its kind where it says nothing."""
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    if not line:
        return type(error).__name__
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}..."
