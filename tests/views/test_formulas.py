"""A page typesets the formulas of answers and nothing else: TeX in a label or a data file could
draw a link.
"""

import re

import pytest
from support.attacks import ATTACKS

from qfnb.views import chat, display, markdown, panel
from qfnb.views.formats import FORMULA, NO_FORMULAS, inert, without_formulas

IGNORED = f"<div {NO_FORMULAS}>"


@pytest.fixture
def displayed(monkeypatch):
    """Bundles that IPython is told to show."""
    bundles = []
    monkeypatch.setenv("QFNB_DISPLAY", "static")
    monkeypatch.setattr("IPython.display.display", lambda bundle, **_: bundles.append(bundle))
    return bundles


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_output_leaves_tex_to_the_page(displayed, attack):
    answer = chat.StreamedAnswer(
        attack, text=attack, reasoning=attack, error=attack, request_id=attack
    )
    bundle = {"text/plain": chat.text(answer), "text/html": chat.html(answer)}
    display.publish(bundle)
    panel.open_with_stop_button(
        answer, html=chat.html, final=lambda _: bundle, stop=list, tooltip=""
    ).finish(answer)
    assert displayed[0] == displayed[1]
    assert displayed[0]["text/html"].startswith(IGNORED)
    for formula in re.findall(f"{FORMULA}>(.*?)</(?:span|div)>", displayed[0]["text/html"]):
        assert "<code>" in formula or not re.search(
            r"\\(bbox|unicode|href|require|style|class|cssId)", formula
        )


def test_the_formulas_of_an_answer_are_typeset():
    assert f"<span {FORMULA}>$x^2$</span>" in markdown.render_markdown("So $x^2$ it is")


def test_marking_twice_is_marking_once():
    once = without_formulas("<b>$x$</b>")
    assert once == f"{IGNORED}<b>$x$</b></div>" == without_formulas(once)
    assert inert({"text/plain": "$x$"}) == {"text/plain": "$x$"}
