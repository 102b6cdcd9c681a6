import importlib
import pkgutil
import re

import pytest
from IPython.core.oinspect import getdoc

from qfnb import get_config, notebook
from qfnb.notebook.parser import Parser

MODULES = [
    importlib.import_module(f"qfnb.notebook.{module.name}")
    for module in pkgutil.iter_modules(notebook.__path__)
]
VALUES = [value for module in MODULES for value in vars(module).values()]
PARSERS = {value.prog: value for value in VALUES if isinstance(value, Parser)}

ENGLISH_SENTENCE = re.compile(r"[a-z]{2,} [a-z]{2,} [a-z]{2,}")


@pytest.mark.parametrize("magic", PARSERS)
def test_the_help_of_a_magic_is_in_one_language(chinese, magic):
    without_commands = re.sub(r"%qf[^（\n]*", "", PARSERS[magic].format_help())
    assert not ENGLISH_SENTENCE.search(without_commands)
    get_config().lang = "en"
    assert PARSERS[magic].format_help().isascii()


@pytest.mark.parametrize("magic", PARSERS)
def test_the_question_mark_shows_the_help_in_the_language_of_the_moment(chinese, magic):
    name = magic.strip("%")
    classes = (
        value for module in MODULES for value in vars(module).values() if isinstance(value, type)
    )
    function = next(getattr(class_, name) for class_ in classes if hasattr(class_, name))
    assert "示例：" in getdoc(function)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("-w many", "-w/--workers：'many' 不是整数"),
        ("-m", "-m/--model 缺少值"),
        ("--bogus", "没有选项 '--bogus'"),
    ],
)
def test_a_wrong_option_is_named_in_chinese(chinese, line, message):
    with pytest.raises(ValueError, match=message) as caught:
        PARSERS["%qfbatch"].parse_words(line)
    assert str(caught.value).endswith("\n%qfbatch help")
