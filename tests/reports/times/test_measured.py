import pandas as pd

from reports.records import frame_of, select
from reports.times.measured import contention_text, timing_text

BUSY = {"rounds": 5, "contended_rounds": 3, "others_percent": 48.4}


def _timed(record, ratios=True, contention=None, checkpointing=False):
    """Full and Fixed on VOC; the engine timed Fixed in turns with Full."""
    lines = [record("voc", "swin_tiny", "full", step_ms=100.0)]
    lines.append(record("voc", "swin_tiny", "fixed", step_ms=60.0))
    if checkpointing:
        lines.append(record("voc", "swin_tiny", "full", step_ms=130.0, checkpointing=True))
    for line in lines[1:]:
        if ratios:
            line["time"]["relative_to"] = {"method": "full", "ratio": {"median": 0.6, "low": 0.5, "high": 0.7}}
        if contention:
            line["time"]["contention"] = contention
    return {"voc": select(frame_of(lines), free=["checkpointing"], task="voc")}


def test_steps_in_turns_are_said(record) -> None:
    assert timing_text(_timed(record)).endswith(
        "3 steps per method after 3 of warm-up, each in turns with a step of Full."
    )


def test_rows_without_turns_are_counted(record) -> None:
    text = timing_text(_timed(record, ratios=False, checkpointing=True))
    assert "warm-up. 0 of 2 rows were timed in turns with Full; only they have shares of its time." in text


def test_methods_may_have_been_timed_over_different_numbers_of_steps(record) -> None:
    rows = _timed(record)["voc"]
    rows["samples"] = [5, 11]
    assert "Median of 5 to 11 steps per method" in timing_text({"voc": rows})


def test_contention_is_named_in_plain_words(record) -> None:
    assert contention_text(_timed(record)) == ""
    rows = _timed(record, contention=BUSY, checkpointing=True)
    text = (
        " Other processes took up to 48 % of the processors while these rows were timed, so that their times are too "
        "long: VOC Full, checkpointing; VOC Fixed."
    )
    assert contention_text(rows) == text
    assert timing_text(rows).endswith(text)


def test_names_may_stand_in_the_index(record) -> None:
    rows = _timed(record, contention=BUSY)["voc"].set_index(["method", "checkpointing"])
    absent = rows.reindex(pd.MultiIndex.from_tuples([*rows.index, ("lora", True)], names=rows.index.names))
    assert contention_text({"voc": absent}).endswith("VOC Fixed.")
