"""The stylesheet of one output: the rules that it needs, in their order, and nothing of what it
does not.
"""

import re

import pytest

from qfnb.views import components, stylesheet


def rules(css):
    return re.findall(r"& [^{}]+\{[^{}]*\}", css)


def test_all_of_the_sheet_is_read():
    sheet = stylesheet._parsed_sheet()
    inner = "".join(sheet.declarations) + "".join(rule.text for rule in sheet.rules)
    assert f"{sheet.before}{stylesheet.ROOT}{{{inner}}}{sheet.after}" == stylesheet.whole_sheet()


@pytest.mark.parametrize(
    ("selector", "html", "is_used"),
    [
        ("& .a", '<p class="b a">', True),
        ("& .a .b", '<p class="a">', False),
        ("& .a>p", '<p class="a">', True),
        ("& :is(h3,.a) p", '<p class="a">', True),
        ("& :is(h3,h4) p", "<p>", False),
        ("& .a,& .b", '<p class="b">', True),
        ("& p:not(.a):not(:has(.b))", "<p>", True),
        ("& p:has(>svg,.a)", "<p>", False),
        (".jp-Child:has(> [data-x]):has(+ .jp-Child & .a)", '<p class="a">', True),
        (".jp-Child:has(> [data-x]):has(+ .jp-Child & .a)", "<p>", False),
        ("& p:nth-child(n)::before", "<p>", True),
        ('& .a[aria-invalid="true"]', '<p class="a">', True),
        ("& *", "<p>", True),
    ],
)
def test_a_rule_is_used_where_its_selector_can_match(selector, html, is_used):
    options = tuple(stylesheet._options(part) for part in stylesheet._split(selector))
    names = frozenset(re.findall(r"[a-z]+", html)) - {"class"}
    assert stylesheet.Rule("", options).is_used(names) is is_used


def test_an_output_has_its_rules_in_their_order_under_a_name_of_its_own():
    answer = components.output(components.Html('<p class="qf-sub">so</p>'))
    table = components.output(components.table(["a", "b"], [[1, 2]]))
    whole = rules(stylesheet.whole_sheet())
    for output in (answer, table):
        own = rules(output.split("</style>")[0])
        assert 0 < len(own) < len(whole) / 2
        assert own == [rule for rule in whole if rule in own]
    names = [re.search(r'class="qf (qf[0-9a-f]{8})"', output)[1] for output in (answer, table)]
    assert names[0] != names[1]
    assert f".qf.qf.{names[0]}{{" in answer


def test_variables_that_nothing_reads_are_left_out():
    output = components.output(components.Html('<p class="qf-sub">so</p>'))
    assert "--fg2:" in output
    assert "--fg:" in output, "--fg2 is made of it"
    assert "--bad:" not in output
