"""Prompts as objects, over HTTP."""

import pytest
from qfnb.common import Prompt

from qfnb.errors import InvalidArgumentError

pytestmark = pytest.mark.usefixtures("sandbox")


def test_a_prompt_is_rendered_with_its_negative_text():
    prompt = Prompt("写一首关于{theme}的诗", negative_template="不要{thing}")
    assert prompt.variables == ["theme"]
    assert prompt.render(theme="秋天", thing="雨") == ("写一首关于秋天的诗", "不要雨")
    with pytest.raises(InvalidArgumentError, match="theme"):
        prompt.render()


def test_a_prompt_is_stored_changed_loaded_and_deleted():
    prompt = Prompt("写一首关于{theme}的诗", name="compat_poem")
    prompt.save_to_platform()
    first_id = prompt.id
    prompt.set_template("写一篇关于{subject}的文章")
    prompt.save_to_platform()
    loaded = Prompt.from_platform("compat_poem")
    assert (loaded.id, loaded.template, loaded.variables) == (
        first_id,
        prompt.template,
        ["subject"],
    )
    loaded.delete()
    assert loaded.id is None
    with pytest.raises(InvalidArgumentError, match="compat_poem"):
        Prompt.from_platform("compat_poem")
