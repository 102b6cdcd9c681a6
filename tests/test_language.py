import string

import pytest
from support.messages import extract_template, read_catalogue, untranslated

from qfnb import _language, get_config
from qfnb._language import language, tr
from qfnb.errors import InvalidArgumentError


@pytest.fixture(autouse=True)
def _default_language():
    yield
    _language.choose_language(None)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"QFNB_LANG": "zh"}, "zh"),
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
        f"{len(missing)} without a translation; `make messages` adds them to the catalogue: {missing[:5]}"
    )


def _placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_a_translation_uses_no_value_that_its_message_has_not():
    catalogue = read_catalogue("zh")
    wrong = []
    for message in extract_template():
        ids = message.id if isinstance(message.id, tuple) else (message.id,)
        translation = catalogue.get(ids[0]) if ids[0] else None
        if translation is not None:
            strings = translation.string if isinstance(translation.string, tuple | list) else (translation.string,)
            allowed = set().union(*map(_placeholders, ids))
            wrong += [ids[0] for text in strings if not _placeholders(text) <= allowed]
    assert not wrong
