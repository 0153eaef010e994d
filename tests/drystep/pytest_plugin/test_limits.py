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
        ("gtx-1080ti-11gb", select_gpus(["gtx-1080ti-11gb"])[0].usable_bytes),
    ],
)
def test_sizes_bytes_and_cards(text: str | int, size_bytes: int) -> None:
    assert parse_limit(text).size_bytes == size_bytes


@pytest.mark.parametrize(
    "limit", ["11", "11 iB", "11 gib", "0 GiB", "-1 GiB", "GiB", "1e3 MiB", 0, -1, True, 1.5, None]
)
def test_what_is_no_limit(limit: object) -> None:
    with pytest.raises(ValueError, match="is neither a size, such as .*, nor a GPU: gtx-1080ti-11gb, "):
        parse_limit(limit)  # type: ignore[arg-type]
