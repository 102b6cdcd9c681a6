"""Templates as values, and what is wrong with them before anything is sent."""

import pytest

from qfnb.errors import InvalidArgumentError
from qfnb.resources import Prompt
from qfnb.resources.management.prompt import PromptTemplate
from qfnb.wire.prompt import IDENTIFIERS


@pytest.mark.parametrize("pair", IDENTIFIERS)
def test_each_pair_marks_variables(pair):
    left = pair[: len(pair) // 2]
    right = pair[len(pair) // 2 :]
    template = PromptTemplate(f"写{left}count{right}首关于{left}theme{right}的诗", pair)
    assert template.names == ("count", "theme")
    assert template.render(count=3, theme="秋天") == "写3首关于秋天的诗"


def test_a_missing_value_is_named():
    with pytest.raises(InvalidArgumentError, match="a value for theme"):
        PromptTemplate("{count}首{theme}").render(count=3)


def test_a_value_is_not_taken_for_a_template():
    assert PromptTemplate("{one}{two}").render(one="{two}", two="二") == "{two}二"


def test_given_variables_leave_other_braces_alone():
    text = '{"a": 1}，{name}'
    assert PromptTemplate(text, variables=("name",)).render(name="茶") == '{"a": 1}，茶'
    with pytest.raises(InvalidArgumentError, match='"a": 1'):
        PromptTemplate(text)


@pytest.mark.parametrize("name", ["a", "1st", "x" * 31, "名字", "a-b", ""])
def test_a_wrong_name_never_leaves(name):
    with pytest.raises(InvalidArgumentError, match="2 to 30 letters"):
        Prompt.create("诗", f"写{{{name}}}")
    with pytest.raises(InvalidArgumentError, match="2 to 30 letters"):
        Prompt.V2.create("诗", "写诗", variables=[name])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Prompt.create("诗", "写", identifier="<>"), "identifier='<>'"),
        (lambda: Prompt.V2.update("pt-1", variable_identifier="<>"), "identifier='<>'"),
        (lambda: Prompt.update(1, template="{1}", identifier="{}"), "variable '1'"),
        (lambda: Prompt.create("诗", "写", scene=3), "scene=3"),
        (lambda: Prompt.create("诗", "写", framework=4), "framework=4"),
        (lambda: Prompt.V2.create("诗", "写", scene_type="Text"), "scene_type='Text'"),
        (lambda: Prompt.list(type=3), "type=3"),
        (lambda: Prompt.evaluation_score(4, []), "type=4"),
        (lambda: Prompt.create_optimization_task("写", [{"payload": 1}]), "operations"),
    ],
    ids=range(9),
)
def test_wrong_arguments_are_named_before_anything_is_sent(call, message):
    with pytest.raises(InvalidArgumentError, match=message):
        call()
