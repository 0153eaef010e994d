"""The step that a user asks about: a spec with its settings, sizes and rules, as it passes from process to process."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from drystep.cuda.rules import DEFAULT_PRECISION, Rules
from drystep.values.oracles import Oracles
from drystep.zoo.settings import StepSettings
from drystep.zoo.spec import parse_spec

if TYPE_CHECKING:
    from drystep.zoo.loading import LoadedStep


@dataclass(frozen=True)
class AskedStep:
    """A spec, and how its step is built and simulated."""

    spec: str
    settings: StepSettings = field(default_factory=StepSettings)
    """Of a named model; those of a step of a file are in the file."""
    precision: str = DEFAULT_PRECISION
    """Of a step of a file; that of a named model is one of its settings."""
    batch_size: int | None = None
    """None for the step's own default."""
    image_size: tuple[int, int] | None = None
    """Height and width; None for the step's own default."""
    rules: Rules = field(default_factory=Rules)
    oracles: Oracles = field(default_factory=Oracles)
    strict: bool = False

    @property
    def is_file(self) -> bool:
        """Whether the step is a function of a file."""
        return parse_spec(self.spec).file is not None

    @property
    def all_precision(self) -> str:
        """The precision of the step, wherever it is stated."""
        return self.precision if self.is_file else self.settings.precision

    def load(self) -> "LoadedStep":
        """The function that builds the step. Raises what `load_step` raises."""
        from drystep.zoo.loading import load_step

        return load_step(parse_spec(self.spec), self.settings, None if self.is_file else self.image_size)

    def with_settings(self, **changes: Any) -> Self:
        """The same with other settings of the model."""
        return replace(self, settings=replace(self.settings, **changes))

    def with_rules(self, **changes: Any) -> Self:
        """The same under other rules."""
        return replace(self, rules=replace(self.rules, **changes))

    def to_fields(self) -> dict[str, Any]:
        """What JSON has of it."""
        fields = {name: value for name, value in vars(self).items() if name not in ("settings", "rules", "oracles")}
        return {
            **fields,
            "settings": asdict(self.settings),
            "rules": self.rules.as_dict(),
            "oracles": asdict(self.oracles),
        }

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        """The step that `to_fields` wrote."""
        size = fields["image_size"]
        parts = {
            "settings": StepSettings(**fields["settings"]),
            "rules": Rules(**fields["rules"]),
            "oracles": Oracles.from_fields(fields["oracles"]),
            "image_size": None if size is None else (size[0], size[1]),
        }
        return cls(**{**fields, **parts})
