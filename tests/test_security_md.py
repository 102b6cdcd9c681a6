"""SECURITY.md: every promise names a test, and every test that is named exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", TEXT)))
PROMISES = re.findall(r"^\| (?!promise |---)(.+?) \| (.+?) \|$", TEXT, re.MULTILINE)


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_every_test_that_it_names_exists(file, name):
    assert re.search(
        rf"^(?:async )?def {name}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE
    )


@pytest.mark.parametrize(("promise", "tests"), PROMISES)
def test_every_promise_names_a_test(promise, tests):
    assert re.fullmatch(r"`tests/[^`]+::test_\w+`(?:, `tests/[^`]+::test_\w+`)*", tests)


def test_there_are_promises_and_links_to_them():
    assert len(PROMISES) >= 10
    for name in ("README.md", "CONTRIBUTING.md"):
        assert "SECURITY.md" in (ROOT / name).read_text(encoding="utf-8")
