"""The configuration of a model as lines of code: its class's defaults or a file's values, with others replaced."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drystep.errors import choose
from drystep.zoo.refusals import said


@dataclass(frozen=True)
class Code:
    """An expression that stands in code as it is, and its value."""

    text: str
    value: Any

    def __repr__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Configuration:
    """A configuration of a model, and the lines that make it as `config`."""

    value: Any
    lines: tuple[str, ...]
    reads_json: bool
    """Whether the lines use the module json."""


def base_configuration(kind: type[Any], file: str | None) -> Any:
    """The configuration that values are replaced in: a file's, or the class's defaults.

    Raises `ValueError` for a file that cannot be read or parsed, and for a class without defaults.
    """
    if file is not None:
        return _made(kind, _file_values(kind, file), f"{kind.__name__} refuses {file}")
    return _made(kind, {}, f"{kind.__name__} has no defaults for all it needs: give a file with --config")


def configuration(
    kind: type[Any], file: str | None, replaced: Mapping[str, Any], named: Iterable[str]
) -> Configuration:
    """The configuration with values replaced. A dot in a name leads into a part.

    `named` are those that a user names. Raises `ValueError` for ones that the configuration lacks, and values that its
    class refuses.
    """
    base = base_configuration(kind, file)
    for path in named:
        _require(base, path)
    name = kind.__name__
    if file is None:
        tree: dict[str, Any] = {}
        for path, value in replaced.items():
            _put(tree, base, path.split("."), value)
        arguments = ", ".join(f"{key}={_text(value)}" for key, value in tree.items())
        value = _made(kind, _plain(tree), f"{name} refuses {_shown(replaced)}")
        return Configuration(value, (f"config = {name}({arguments})",), False)
    if not replaced:
        return Configuration(base, (f'config = {name}.from_pretrained("{file}")',), False)
    values = _file_values(kind, file)
    lines = [f'with open("{_json_file(file)}") as file:', "    values = json.load(file)"]
    for path, value in replaced.items():
        *parts, last = path.split(".")
        inner = values
        for part in parts:
            if not isinstance(inner.get(part), dict):
                lines.append(f"values{_keys(parts[: parts.index(part) + 1])} = {{}}")
                inner[part] = {}
            inner = inner[part]
        inner[last] = value
        lines.append(f"values{_keys([*parts, last])} = {_text(value)}")
    if "num_labels" in replaced and ("id2label" in values or "label2id" in values):
        lines += [f'values.pop("{key}", None)' for key in ("id2label", "label2id")]
        values = {key: value for key, value in values.items() if key not in ("id2label", "label2id")}
    lines.append(f"config = {name}.from_dict(values)")
    value = _made(kind, _plain(values), f"{name} refuses {_shown(replaced)}")
    return Configuration(value, tuple(lines), True)


def _made(kind: type[Any], values: Mapping[str, Any], complaint: str) -> Any:
    try:
        return kind.from_dict(dict(values))
    except Exception as error:  # configurations check values in their own ways
        raise ValueError(f"{complaint}: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    """What a configuration says: the last line where the first announces it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].endswith(":"):
        return said(ValueError(" ".join(lines)))
    return said(error)


def _json_file(file: str) -> Path:
    path = Path(file)
    return path / "config.json" if path.is_dir() else path


def _file_values(kind: type[Any], file: str) -> dict[str, Any]:
    path = _json_file(file)
    try:
        values = json.loads(path.read_text())
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"cannot read {path} as JSON: {error}") from error
    if not isinstance(values, dict):
        raise ValueError(f"{path} is no configuration: it holds no names with values")
    stated = values.get("model_type")
    if stated and kind.model_type and stated != kind.model_type:
        raise ValueError(
            f"{path} is a configuration of {stated}, not of {kind.model_type}, which {kind.__name__} is for"
        )
    return values


def _require(config: Any, path: str) -> None:
    """Raise `ValueError` if a configuration has no value of a name."""
    whole = type(config).__name__
    for part in path.split("."):
        if isinstance(config, dict):
            choose(f"value of {whole}", part, config)
            config = config[part]
            continue
        choose(f"value of {whole}", part, _names(config))
        config = getattr(config, part)
        whole = type(config).__name__


def _names(config: Any) -> Iterable[str]:
    names = {name for name in vars(config) if not name.startswith("_")} | {"num_labels"}
    return names | set(getattr(config, "attribute_map", {}))


def _put(tree: dict[str, Any], config: Any, parts: list[str], value: Any) -> None:
    """Put a value into nested arguments; a part starts with what makes the default configuration's part."""
    first, *rest = parts
    if not rest:
        tree[first] = value
        return
    if first not in tree:
        tree[first] = _part_values(config, first)
    _put(tree[first], getattr(config, first), rest, value)


def _part_values(config: Any, name: str) -> dict[str, Any]:
    part = getattr(config, name)
    if isinstance(part, dict):
        return dict(part)
    defaults = getattr(config, "sub_configs_defaults", {}).get(name)
    if defaults is not None and (defaults.model_type in (None, part.model_type)):
        typed = {"model_type": part.model_type} if defaults.model_type else {}
        return {**typed, **(defaults.init_kwargs or {})}
    return dict(part.to_diff_dict())


def _plain(values: Any) -> Any:
    if isinstance(values, Code):
        return values.value
    if isinstance(values, dict):
        return {key: _plain(value) for key, value in values.items()}
    return values


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{key}": {_text(inner)}' for key, inner in value.items()) + "}"
    return json.dumps(value) if isinstance(value, str) else repr(value)


def _keys(parts: Iterable[str]) -> str:
    return "".join(f'["{part}"]' for part in parts)


def _shown(replaced: Mapping[str, Any]) -> str:
    return ", ".join(f"{path}={_plain(value)}" for path, value in replaced.items())
