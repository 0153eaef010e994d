"""Optimizers by name, as lines of Python."""

from importlib.util import find_spec

from drystep.errors import choose

OPTIMIZERS = {
    "adamw": ("torch.optim.AdamW({parameters}, lr=1e-4)", ""),
    "adam": ("torch.optim.Adam({parameters}, lr=1e-4)", ""),
    "sgd": ("torch.optim.SGD({parameters}, lr=1e-2, momentum=0.9)", ""),
    "adafactor": ("torch.optim.Adafactor({parameters}, lr=1e-2)", ""),
    "adamw-8bit": ("bitsandbytes.optim.AdamW8bit({parameters}, lr=1e-4)", "import bitsandbytes"),
}
"""Name -> expression and the import that it needs. Learning rates have no effect on memory or time."""
PACKAGES = {"adamw-8bit": "bitsandbytes"}
"""Name -> package that it needs."""


def optimizer_code(name: str, parameters: str) -> tuple[str, str]:
    """The expression of an optimizer of `parameters`, and its import or "".

    Raises `ValueError` for an unknown name, and for an optimizer of a package that is not installed.
    """
    expression, imported = OPTIMIZERS[choose("optimizer", name, OPTIMIZERS)]
    package = PACKAGES.get(name)
    if package is not None and find_spec(package) is None:
        raise ValueError(f"optimizer {name} needs the package {package}: pip install 'drystep[{package}]'")
    return expression.format(parameters=parameters), imported
