import io

import numpy as np
import pytest
from support.training_pairs import RULE, SMALL

from qfnb.errors import SandboxError
from qianfan_sandbox.engines.builtin.engine import base_model
from qianfan_sandbox.engines.builtin.model import LanguageModel


def test_a_saved_model_gives_the_same_answers(mixed):
    again = LanguageModel.load(mixed.save())
    for prompt, _ in SMALL[::3] + RULE[::6]:
        assert again.reply(prompt).text == mixed.reply(prompt).text


def _array_file() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [b"", b"no model", b"PK\x03\x04" + b"0" * 50, _array_file()],
    ids=["empty", "text", "zip", "array"],
)
def test_other_bytes_are_refused(content):
    with pytest.raises(SandboxError):
        LanguageModel.load(content)


def test_a_checkpoint_is_calibrated_when_it_is_loaded(mixed):
    held_out = (SMALL + RULE)[::2]
    checkpoint = LanguageModel.load(mixed.save(held_out))
    again = LanguageModel.load(mixed.save())
    again.calibrate(held_out)
    assert checkpoint.meta == again.meta
    assert checkpoint.meta["limit"]["rows"] == len(held_out)


@pytest.mark.parametrize("prompt", ["你好", "您好！", "Hello", "HELLO", "who are you?", "你是谁"])
def test_the_base_greets_and_says_who_it_is(prompt):
    reply = base_model().reply(prompt)
    assert reply.kind == "memory"
    assert "qfnb" in reply.text


@pytest.mark.parametrize(
    "prompt", ["", "法国的首都是哪里", "写一首诗", "1+1=?", "\ud800", "你" * 5000]
)
def test_the_base_is_honest_about_the_rest(prompt):
    assert base_model().reply(prompt).kind == "unknown"
