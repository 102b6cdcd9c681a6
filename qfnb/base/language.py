"""The language of what users read: English in the code, other languages from gettext catalogues in
`locale/`.

An output stays in the language that it was made in. Names of parameters, models and ids are never
translated.
"""

import contextlib
import gettext
import locale
import os
from collections.abc import Iterator
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Final

LANGUAGES: Final = ("en", "zh")
VARIABLE: Final = "QFNB_LANG"
DOMAIN: Final = "qfnb"
LOCALE_DIR: Final = Path(__file__).parents[1] / "locale"
_LOCALE_VARIABLES: Final = ("LC_ALL", "LC_MESSAGES", "LANG")

_chosen: str | None = None
_in_context: ContextVar[str] = ContextVar("qfnb_language", default="")


def language() -> str:
    """Return "zh" or "en": what was chosen, else `QFNB_LANG`, else the locale; English where that
    is no Chinese one.
    """
    if chosen := _in_context.get() or _chosen:
        return chosen
    configured = os.environ.get(VARIABLE, "").strip().lower()
    variables = (os.environ.get(name, "") for name in _LOCALE_VARIABLES)
    name = configured or next(filter(None, variables), "") or locale.getlocale()[0] or ""
    if name.lower().startswith(("zh", "cn", "chinese")):
        return "zh"
    return "en"


def choose_language(name: str | None) -> None:
    """Choose the language of the current process; None for that of the environment."""
    global _chosen
    _chosen = name


@contextlib.contextmanager
def in_language(name: str) -> Iterator[None]:
    """Speak a language in a block of code, in this thread or task only."""
    token = _in_context.set(name)
    try:
        yield
    finally:
        _in_context.reset(token)


def html_lang() -> str:
    """Return the value of the attribute `lang`, which also picks the right shapes of Chinese
    characters.
    """
    if language() == "zh":
        return "zh-CN"
    return "en"


def tr(message: str, /, **values: object) -> str:
    """Return a message in the user's language, its `{placeholders}` replaced by values.

    Braces stay as they are where no value is passed.
    """
    translated = _catalogue(language()).gettext(message)
    if values:
        return translated.format(**values)
    return translated


def trn(singular: str, plural: str, n: int, /, **values: object) -> str:
    """Return a message about a number of things in the user's language; `{n}` is the number with
    separators.
    """
    return _catalogue(language()).ngettext(singular, plural, n).format(n=f"{n:,}", **values)


def tr_noop(message: str, /) -> str:
    """Mark a message for translation where it stands in a table; `tr` translates it where it is
    shown.
    """
    return message


@cache
def _catalogue(name: str) -> gettext.NullTranslations:
    return gettext.translation(DOMAIN, LOCALE_DIR, [name], fallback=True)
