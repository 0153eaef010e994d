"""The answer in sentences, computed from the results of one setting."""

from collections.abc import Sequence

from reports.page.outcomes import Outcome, Setting
from reports.page.verdicts import gib
from reports.units import GIB

NAMED = 4
"""As many methods are named one by one; more are counted."""


def answers(setting: Setting) -> list[str]:
    """How many methods fit the smallest card, which needs the least memory, and what fits where Full does not."""
    return [
        sentence
        for sentence in (_smallest_card(setting), _least_memory(setting), _where_full_does_not(setting))
        if sentence
    ]


def _smallest_card(setting: Setting) -> str:
    if not setting.cards:
        return "These results name no class of GPU, so that none can be said to fit one."
    card, usable = setting.cards[0]
    size = "" if usable is None else f", of which a step can use {gib(usable / GIB)} GiB"
    known = [outcome.fits[card] for outcome in setting.outcomes if card in outcome.fits]
    fitting = [fit for fit in known if fit.is_fit]
    retrying = sum(fit.verdict == "fits_with_retries" for fit in fitting)
    after = f" ({retrying} of them only after retries)" if retrying else ""
    verb = "fits" if len(fitting) == 1 else "fit"
    return f"{len(fitting)} of {len(known)} {_methods(len(known))} {verb} the smallest card, {card}{size}{after}."


def _least_memory(setting: Setting) -> str:
    known = [(outcome.reserved_bytes, outcome) for outcome in setting.outcomes if outcome.reserved_bytes]
    if not known:
        return "No result says how much memory a method needs."
    least, outcome = min(known, key=lambda pair: pair[0] or 0.0)
    sentence = f"{outcome.label} needs the least memory: {gib(least / GIB)} GiB"
    full = setting.full
    if full is None or not full.reserved_bytes or full is outcome:
        return f"{sentence}."
    percent = 100 * (1 - least / full.reserved_bytes)
    return f"{sentence}, {percent:.0f} % less than {full.label} ({gib(full.reserved_bytes / GIB)} GiB)."


def _where_full_does_not(setting: Setting) -> str:
    full = setting.full
    if not setting.cards:
        return ""
    if full is None or not full.fits:
        return "There is no result of Full in this setting to compare with."
    fails = [card for card, _ in setting.cards if card in full.fits and full.fits[card].verdict == "oom"]
    if not fails:
        return f"{full.label} runs out of memory on none of these cards."
    others = [outcome for outcome in setting.outcomes if outcome is not full]
    parts = [
        f"on {card}, where {_who_fits([outcome for outcome in others if _fits(outcome, card)], len(others))}"
        for card in fails
    ]
    return f"{full.label} runs out of memory {'; '.join(parts)}."


def _fits(outcome: Outcome, card: str) -> bool:
    return card in outcome.fits and outcome.fits[card].is_fit


def _who_fits(outcomes: Sequence[Outcome], all_others: int) -> str:
    count = len(outcomes)
    if count == 0:
        return "nothing else fits"
    if count == 1:
        return f"{outcomes[0].label} fits"
    if count == all_others:
        return f"all {count} others fit"
    if count > NAMED:
        return f"{count} of {all_others} others fit"
    names = [outcome.label for outcome in outcomes]
    return f"{', '.join(names[:-1])} and {names[-1]} fit"


def _methods(count: int) -> str:
    return "method" if count == 1 else "methods"
