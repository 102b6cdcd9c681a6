"""Formulas, code and task lists of an answer."""

import html
import re

import pytest
from support.attacks import ATTACKS

from qfnb.views.formats import FORMULA
from qfnb.views.markdown import MAX_CHARS, render_markdown

FORMULAS = [
    r"$a_1 * b_2 * c \, \{x\}$",
    r"$$\begin{pmatrix} a & b \\ c & d \end{pmatrix}$$",
    r"\(x_i < y_i \\ *z*\)",
    r"\[\int_0^1 \! f(x)\,dx\]",
    "\\[\na\n- b\n= c_1 \\\\\n* d_2\n\\]",
    "$$\n\\frac{1}{2} \\\\\n\n$$".replace("\n\n", "\n"),
    "\\begin{align}\na &= b \\\\\nc_1 &= d_2\n\\end{align}",
]

ACTIVE_TEX = [  # the styles fetch from the network wherever a page typesets them
    "$$\n\\unicode[x;background:url(https://evil.invalid/pixel.png)]{x41}\n$$",
    (
        r"$\bbox[background:url(https://evil.invalid/pixel.png)]{x}$ "
        r"$\def\frac{\href{javascript:window.__hit=1}}$"
    ),
    *(text for text in ATTACKS if "\\" in text),
]


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("frame", ["{}", "设\n{}\n其中 *x*", "- 一\n\n{}\n"])
def test_a_formula_stays_tex_in_one_element(formula, frame):
    texts = re.findall(
        rf"<(?:span|div) {FORMULA}>([^<]*)</", render_markdown(frame.replace("{}", formula))
    )
    assert "".join(formula.split()) in ["".join(html.unescape(text).split()) for text in texts]


def test_what_stands_around_a_formula_is_still_markdown():
    shown = render_markdown(r"**粗** \[a\] 之后 *斜* `$x$`")
    assert all(
        part in shown
        for part in (
            "<strong>粗</strong>",
            rf"<span {FORMULA}>\[a\]</span>",
            "<em>斜</em>",
            "<code>$x$</code>",
        )
    )


@pytest.mark.parametrize(
    "text", ["costs $5 and $6", "5$ or 6$", "$ HOME $", r"\\(a\\)", r"\begin{x}", r"\$1 \$2", "$a"]
)
def test_dollars_and_backslashes_that_are_no_formula_stay_apart(text):
    elements = re.split(r"<[^>]+>", render_markdown(text))
    assert not [piece for piece in elements if len(piece) > 1 and set(piece) & {"$", "\\"}]


@pytest.mark.fault("F92")
@pytest.mark.parametrize("attack", ACTIVE_TEX)
def test_tex_that_could_act_is_shown_as_code(attack):
    outside = re.sub(r"<code>.*?</code>", "", render_markdown(attack), flags=re.DOTALL)
    assert not re.search(r"\\(href|unicode|require|cssId|class|style|bbox|def)", outside)


def test_code_is_coloured_without_classes_and_unchanged():
    shown = render_markdown("```python\ndef f(x): return '<b>' # $\n```\n\n```nonsense\na < b\n```")
    assert '<span class="k">def</span>' in shown
    assert "def f(x): return '<b>' # $\n" in html.unescape(re.sub(r"<[^>]+>", "", shown))
    assert "a &lt; b" in shown


def test_a_task_list_has_its_boxes():
    assert "☑ 写" in render_markdown("- [x] 写\n- [ ] 读")
    assert "☐ 读" in render_markdown("- [x] 写\n- [ ] 读")


@pytest.mark.parametrize("opener", ["\\(", "$$x\n# a\n", "\\begin{align}\n"])
def test_formulas_that_never_end_cost_no_time(opener):
    assert render_markdown(opener * (MAX_CHARS // len(opener)))
