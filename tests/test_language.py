import ast
import gettext
import re
import runpy
import shutil
import string

import pytest
from support.messages import PACKAGE, ROOT, extract_template, read_catalogue, untranslated

from qfnb import get_config
from qfnb.base.language import choose_language, language, tr
from qfnb.errors import InvalidArgumentError


@pytest.fixture(autouse=True)
def _default_language():
    yield
    choose_language(None)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"QFNB_LANG": "zh"}, "zh"),
        ({"QFNB_LANG": "cn"}, "zh"),
        ({"QFNB_LANG": "en", "LANG": "zh_CN.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LC_ALL": "zh_TW", "LANG": "en_GB.UTF-8"}, "zh"),
        ({"LC_ALL": "de_DE", "LANG": "zh_CN.UTF-8"}, "en"),
        ({"LANG": "C.UTF-8"}, "en"),
    ],
)
def test_the_language_is_the_setting_else_the_locale(monkeypatch, environment, expected):
    for name in ("QFNB_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert language() == expected


def test_the_config_wins_over_the_environment_until_it_is_unset(monkeypatch):
    monkeypatch.setenv("QFNB_LANG", "en")
    get_config().lang = "zh"
    assert get_config().lang == "zh"
    get_config().lang = None
    assert get_config().lang == "en"


def test_an_unknown_language_is_refused_by_name():
    with pytest.raises(InvalidArgumentError, match=r"lang='fr'.*'en' or 'zh'"):
        get_config().lang = "fr"


def test_values_are_inserted_after_the_translation():
    get_config().lang = "zh"
    assert tr("{n} / {total} rows", n="{x}", total=3) == "{x} / 3 行"


def test_every_message_has_a_chinese_translation():
    missing = untranslated(read_catalogue("zh"))
    assert not missing, (
        f"{len(missing)} without a translation; `make messages` adds them to the catalogue: "
        f"{missing[:5]}"
    )


CJK = re.compile(r"[\u3000-\u9fff\uff00-\uffef]")


def test_a_message_is_english():
    assert not [message.id for message in extract_template() if CJK.search(str(message.id))]


@pytest.mark.parametrize(
    ("rule", "wrong"),
    [
        (
            "the punctuation between Chinese words is full-width",
            r"[\u4e00-\u9fff][,;:?!(]|[),;:?!][\u4e00-\u9fff]",
        ),
        (
            "no space stands beside full-width punctuation",
            r"\S [，。：；？！（）、]|[，。：；？！（）、] (?![ ·%{])",
        ),
        ("no English sentence is left", r"(?<![%`.\w-])\b[a-z]{2,} [a-z]{2,} [a-z]{2,} [a-z]{2,}"),
    ],
)
def test_a_translation_is_written_as_chinese_is(rule, wrong):
    without_code = (re.sub(r"`[^`]*`|%+qf[^（\n]*", "`", text) for text in _translations())
    assert not [text for text in without_code if re.search(wrong, text)], rule


def _translations() -> list[str]:
    strings = (message.string for message in read_catalogue("zh") if message.id)
    return [
        text for each in strings for text in (each if isinstance(each, tuple | list) else [each])
    ]


def _calls(node: ast.AST, names: set[str]) -> list[ast.Call]:
    calls = [call for call in ast.walk(node) if isinstance(call, ast.Call)]
    return [call for call in calls if isinstance(call.func, ast.Name) and call.func.id in names]


def _fixed_joins(node: ast.AST) -> set[int]:
    """Return the lines that join words by an English separator."""
    joins = [
        call.func
        for call in ast.walk(node)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
    ]
    return {
        join.lineno
        for join in joins
        if join.attr == "join"
        and isinstance(join.value, ast.Constant)
        and join.value.value in {", ", "; ", ": "}
    }


def _fixed_joins_in_messages(function: ast.AST) -> set[int]:
    if not _fixed_joins(function):
        return set()
    values = [
        value
        for call in _calls(function, {"tr", "trn", "labelled"})
        for value in [*call.args, *(k.value for k in call.keywords)]
    ]
    names = {name.id for value in values for name in ast.walk(value) if isinstance(name, ast.Name)}
    lines = set().union(*map(_fixed_joins, values))
    for node in ast.walk(function):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        set_names = {
            name.id
            for target in targets
            if target
            for name in ast.walk(target)
            if isinstance(name, ast.Name)
        }
        if (
            isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr)
            and node.value
            and set_names & names
        ):
            lines |= _fixed_joins(node.value)
    return lines


NOT_SENTENCES = {"wire"}
CODE = {"evaluation/evaluator.py"}
"""Joins the parameters of a function as they are written in Python."""


def test_lists_in_messages_are_joined_as_the_language_does():
    wrong = [
        (name, line)
        for path in PACKAGE.rglob("*.py")
        if not NOT_SENTENCES & {*path.parts}
        and (name := path.relative_to(PACKAGE).as_posix()) not in CODE
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for line in _fixed_joins_in_messages(function)
    ]
    assert not wrong, "tr(', ').join(...) instead"


def _placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_a_translation_uses_no_value_that_its_message_has_not():
    catalogue = read_catalogue("zh")
    wrong = []
    for message in extract_template():
        ids = message.id if isinstance(message.id, tuple) else (message.id,)
        translation = catalogue.get(ids[0]) if ids[0] else None
        if translation is not None:
            strings = (
                translation.string
                if isinstance(translation.string, tuple | list)
                else (translation.string,)
            )
            allowed = set().union(*map(_placeholders, ids))
            wrong += [ids[0] for text in strings if not _placeholders(text) <= allowed]
    assert not wrong


def test_a_build_has_the_chinese_messages(tmp_path):
    shutil.copytree(
        ROOT / "qfnb" / "locale",
        tmp_path / "qfnb" / "locale",
        ignore=shutil.ignore_patterns("*.mo"),
    )
    hook = runpy.run_path(str(ROOT / "hatch_build.py"))["MessageCatalogues"]
    hook(str(tmp_path), {}, None, None, "", "wheel").initialize("standard", {})
    built = gettext.translation("qfnb", tmp_path / "qfnb" / "locale", ["zh"])
    assert built.gettext("{n} / {total} rows") == "{n} / {total} 行"
    assert built.ngettext("{n} row", "{n} rows", 2) == "{n} 行"
