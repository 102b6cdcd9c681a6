"""The stylesheet of one output: the rules that it may use, in their order, and few others."""

import re

from qfnb.views import components, stylesheet


def rules(css):
    return re.findall(r"& [^{}]+\{[^{}]*\}", css)


def test_all_of_the_sheet_is_read():
    before, statements, after = stylesheet._parsed_sheet()
    inner = "".join(text for text, _ in statements)
    assert f"{before}{stylesheet.ROOT}{{{inner}}}{after}" == stylesheet.whole_sheet()


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


def test_the_kernels_own_message_is_hidden_beside_an_error_card_alone():
    assert "vnd.jupyter.error" in stylesheet.output_sheet('<div class="qf-error"></div>')[0]
    assert "vnd.jupyter.error" not in stylesheet.output_sheet('<div class="qf-md"></div>')[0]
