"""What an answer says, in words and cells that the terminal, markdown and the page share."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from drystep.cuda.rules import Rules
from drystep.fit.asked import AskedStep
from drystep.units import ABSENT, GIB, MIB

Row = Mapping[str, Any]
"""What JSON has of one card."""
COLUMNS = ("GPU", "verdict", "left GiB", "batch", "image", "ms", "images/s")
ADVICE_COLUMNS = ("", "memory", "time", "verdict", "add")
PROVENANCE = "Verdicts, memory left, and the largest batch and image are simulated; ms and images/s are predicted."
MOST_PARTS = 5
VERDICTS = {
    "fits": "fits",
    "fits_with_retries": "fits with retries",
    "oom": "does not fit",
    "depends": "depends",
    "not_supported": "not supported",
}


def title(step: AskedStep, row: Row) -> str:
    """What is judged."""
    named = [step.spec] if step.is_file else [step.spec, step.settings.mode]
    if not step.is_file and step.settings.mode == "train":
        named[1:] = [step.settings.method, step.settings.optimizer]
    return title_of(named, step.all_precision, step.rules, row)


def title_of(named: Sequence[str], precision: str, rules: Rules, row: Row) -> str:
    """What is judged, beginning with its names."""
    settings = "" if rules.allocator else str(rules.allocator_settings)  # those of the environment
    sizes = [f"batch {row['batch_size']}"] if row["batch_size"] else []
    sizes += ["{} x {}".format(*row["image_size"])] if row["image_size"] else []
    return ", ".join(filter(None, (*named, precision, *sizes, rules.title, settings)))


def cells(row: Row, label: str) -> list[str]:
    """One card's line: label, verdict, headroom, largest batch, largest image, time, images a second."""
    left = row["headroom_bytes"]
    return [
        label,
        VERDICTS[row["verdict"]],
        ABSENT if left is None else f"{left / GIB:.2f}",
        ABSENT if row["largest_batch"] is None else str(row["largest_batch"]),
        size_text(row["largest_image"]),
        time_text(row["step_ms"]),
        speed_text(row),
    ]


def size_text(size: Sequence[int] | None) -> str:
    """An image's height and width."""
    if size is None:
        return ABSENT
    return f"{size[0]}x{size[1]}" if size[0] else "none"


def time_text(time_ms: float | None) -> str:
    """Milliseconds with three digits or more."""
    if time_ms is None:
        return ABSENT
    return f"{time_ms:,.0f}" if time_ms >= 100 else f"{time_ms:.1f}"


def speed_text(row: Row) -> str:
    """Images, or whatever the batch counts, per second."""
    if row["step_ms"] is None or row["batch_size"] is None:
        return ABSENT
    return f"{1e3 * row['batch_size'] * row['batches'] / row['step_ms']:,.0f}"


def peak_parts(uncapped: Row) -> Iterator[tuple[str, str, str]]:
    """What takes the memory at the peak, the largest first: name, MiB, share; what is beyond five is summed up."""
    alive = {name: size for name, size in uncapped["at_peak"].items() if size}
    other = alive.pop("other", 0)
    parts = sorted(((size, name) for name, size in alive.items()), reverse=True)
    total = other + sum(size for size, _ in parts)
    shown = parts[: MOST_PARTS - 1] if other or len(parts) > MOST_PARTS else parts
    rest = other + sum(size for size, _ in parts[len(shown) :])
    for size, name in [*shown, *([(rest, "other")] if rest else [])]:
        yield name.replace("_", " "), f"{size / MIB:,.0f}", f"{100 * size / total:.0f} %"


def peak_title(uncapped: Row) -> str:
    """Where the peak is, and how high."""
    phase = "the optimizer" if uncapped["peak_phase"] == "optimizer" else f"the {uncapped['peak_phase']} pass"
    allocated, reserved = (f"{uncapped[f'peak_{kind}_bytes'] / MIB:,.0f}" for kind in ("allocated", "reserved"))
    return f"At the peak, in {phase}: {allocated} MiB allocated, {reserved} MiB reserved"


def by_choice(uncapped: Row) -> str:
    """How far the peaks depend on cuDNN's choice of algorithms; "" where they do not."""
    parts = []
    for name in ("allocated", "reserved"):
        least, most = uncapped[f"peak_{name}_interval_bytes"]
        if least != most:
            parts.append(f"{least / MIB:,.0f} to {most / MIB:,.0f} {name}")
    return f"By the convolution algorithms that cuDNN chooses (MiB): {', '.join(parts)}" if parts else ""


def advice_title(label: str) -> str:
    """What a table of levers shows."""
    return f"What would change it on {label} (memory simulated, time predicted)"


def advice_cells(one: Row) -> list[str]:
    """A lever: name, change of memory and of time, verdict, and what to add to the command."""
    verdict = "makes it fit" if one["makes_it_fit"] else VERDICTS[one["verdict"]]
    return [one["name"], percent(one["memory_change"]), percent(one["time_change"]), verdict, one["option"]]


def percent(change: float | None) -> str:
    """A change such as "-68 %"."""
    return ABSENT if change is None else f"{100 * change:+.0f} %"


def coverage_line(rows: Sequence[Row]) -> str:
    """How predicted times are to be taken; "" where there are none."""
    known = [row for row in rows if row["step_ms"] is not None]
    if not known:
        return ""
    low = [row["least_ms"] / row["step_ms"] - 1 for row in known]
    high = [row["most_ms"] / row["step_ms"] - 1 for row in known]
    coverage = [100 * row["coverage"] for row in known]
    measured = (
        f"{min(coverage):.0f}"
        if round(min(coverage)) == round(max(coverage))
        else (f"{min(coverage):.0f} to {max(coverage):.0f}")
    )
    return (
        f"Times are predicted: four of five measured steps lay within {percent(min(low))} and {percent(max(high))}; "
        f"{measured} % of the time rests on measured operators."
    )
