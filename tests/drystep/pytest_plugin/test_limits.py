import pytest

from drystep.gpus.classes import select_gpus
from drystep.pytest_plugin.limits import parse_limit


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("11 GiB", 11 * 2**30),
        ("11GiB", 11 * 2**30),
        ("1.5 MiB", 3 * 2**19),
        ("11 GB", 11 * 10**9),
        ("512 B", 512),
        (4096, 4096),
        ("GTX 1080 Ti", select_gpus(["gtx-1080ti-11gb"])[0].usable_bytes),
        ("gtx-1080ti-11gb", select_gpus(["gtx-1080ti-11gb"])[0].usable_bytes),
    ],
)
def test_sizes_bytes_and_cards(text: str | int, size_bytes: int) -> None:
    assert parse_limit(text).size_bytes == size_bytes


@pytest.mark.parametrize(
    "limit",
    [
        "11",
        "11 iB",
        "11 gib",
        "11gb",
        "rtx-4091",
        "0 GiB",
        "-1 GiB",
        "GiB",
        "1e3 MiB",
        0,
        -1,
        True,
        1.5,
        None,
        float("nan"),
        float("inf"),
    ],
)
def test_what_is_no_limit(limit: object) -> None:
    with pytest.raises(ValueError, match="is neither a size, such as .*, nor (a|the name of a) GPU"):
        parse_limit(limit)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "limit",
    [10**400, 10**5000, f"{'9' * 400} GiB", "9" * 5000 + " B", 2**50 + 1, "1025 TiB", "0.1 B", "0.0001 KB"],
    ids=range(8),
)
def test_a_size_that_no_card_has(limit: str | int) -> None:
    with pytest.raises(ValueError, match="memory limit .{1,60} must be between 1 byte and 1,024 TiB") as error:
        parse_limit(limit)
    assert len(str(error.value)) < 120


def test_the_largest_limit_is_one() -> None:
    assert parse_limit(2**50).size_bytes == parse_limit("1024 TiB").size_bytes == 2**50
