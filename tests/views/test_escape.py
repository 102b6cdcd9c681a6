"""What comes from a model, a server or a file can never act."""

import html

import pytest
from hypothesis import given, strategies as st
from support.attacks import ATTACKS
from support.strict_html import assert_only

from qfnb.views import markdown
from qfnb.views.formats import escape, strip_controls

ALLOWED = {
    "p", "em", "strong", "code", "pre", "ul", "ol", "li", "a", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote",
    "hr", "br", "div", "span", "table", "thead", "tbody", "tr", "th", "td", "s",
}  # fmt: skip
ATTRIBUTES = {"href", "target", "rel", "title", "class", "style", "start"}


@pytest.mark.fault("F92")
@pytest.mark.parametrize("text", ATTACKS)
def test_attacks_become_text(text):
    assert_only(markdown.render_markdown(text), ALLOWED, ATTRIBUTES)


@pytest.mark.fault("F92")
@given(
    st.text(
        alphabet=st.sampled_from(list("<>&\"'`[]()!*_#|-:\n\\ javscriptonelrd/=\x1b\x00\u202e")),
        max_size=80,
    )
)
def test_whatever_is_written_becomes_plain_structure(text):
    assert_only(markdown.render_markdown(text), ALLOWED, ATTRIBUTES)


@given(st.text(max_size=60))
def test_text_has_no_controls_and_escapes_back(text):
    cleaned = strip_controls(text)
    assert not any(char < " " and char not in "\t\n" for char in cleaned)
    assert not set(cleaned) & set("\x7f\x1b\u202e\u2066")
    cleaned.encode("utf-8")
    assert html.unescape(escape(text)) == cleaned
    assert not set(escape(text)) & set("<>\"'")


@pytest.mark.fault("F93")
def test_a_picture_from_the_network_is_named_not_fetched():
    assert "evil.example" in markdown.render_markdown("![猫](https://evil.example/x.png)")
    assert "<img" not in markdown.render_markdown("![猫](https://evil.example/x.png)")


@pytest.mark.parametrize("text", ["**half", "```py\nprint(", "| a | b", "[x](http", "- ", "> "])
def test_half_an_answer_renders(text):
    assert markdown.render_markdown(text)


def test_an_endless_answer_is_cut():
    html = markdown.render_markdown("字" * 300_000)
    assert "cut" in html
    assert len(html) < 250_000
