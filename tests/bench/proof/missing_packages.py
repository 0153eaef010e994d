"""What other commands and the tests need, and `prove` does without."""

MISSING = (
    "typer", "rich", "click", "pandas", "msgspec", "pytest", "_pytest", "psutil", "pynvml", "matplotlib", "tabulate",
    "ray", "hypothesis", "peft", "transformers", "nox",
)  # fmt: skip
