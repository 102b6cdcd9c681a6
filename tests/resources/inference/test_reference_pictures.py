"""Reference pictures: what is read, and what is refused before anything is sent."""

import base64
import io

import pytest
from PIL import Image

from qfnb.errors import InvalidArgumentError
from qfnb.resources.inference.images import MAX_BYTES, encode_pictures


def picture(kind="PNG", size=(200, 300), **options):
    buffer = io.BytesIO()
    Image.new("RGB", size, "red").save(buffer, kind, **options)
    return buffer.getvalue()


def test_paths_bytes_data_urls_and_addresses_are_taken(tmp_path):
    (path := tmp_path / "图.png").write_bytes(picture())
    url = encode_pictures(path)
    assert url == f"data:image/png;base64,{base64.b64encode(picture()).decode()}"
    address = "https://example.com/a.png"
    assert encode_pictures([str(path), url, address]) == [url, url, address]
    assert encode_pictures(picture("JPEG")).startswith("data:image/jpeg;base64,")


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        ([], "there are 0, and 1 to 3"),
        ([picture()] * 4, "there are 4, and 1 to 3"),
        (5, "pictures='5': must be a path, an address or bytes"),
        (b"<svg/>", r"pictures\[0\] is not a picture file"),
        ("nowhere.png", r"pictures\[0\]='nowhere.png' cannot be read: No such file"),
        (b"\x89PNG" + bytes(MAX_BYTES), "bytes: less than 10,485,760"),
        ("data:image/png;base64,???", "not base64"),
        ([picture(), 7], r"pictures\[1\] is a int"),
    ],
)  # fmt: skip
def test_what_the_page_does_not_allow_is_refused(pictures, message):
    with pytest.raises(InvalidArgumentError, match=message):
        encode_pictures(pictures)
