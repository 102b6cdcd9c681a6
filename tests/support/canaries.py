"""Secrets that are easy to find again, and the search for them in all that a user can see, save or
hand on.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from qfnb.config import _SettingsInputs

MARK = "CANARY7"

SECRETS = {
    "api_key": f"bce-v3/ALTAK-test{MARK}/secret",
    "access_key": f"ALTAKtest{MARK}access",
    "secret_key": f"{MARK}secret",
    "ak": f"{MARK}application",
    "sk": f"{MARK}secret",
    "access_token": f"24.{MARK}token",
    "bearer": f"bce-v3/ALTAK-test{MARK}/bearer",
    "proxy": f"{MARK}password",
    "webhook": f"/hook/{MARK}?access_token={MARK}",
    "download": f"/sandbox/cat.png?authorization=bce-auth-v1%2F{MARK}%2F2026&x-bce-security-token={MARK}",
}
"""Kind -> a secret of its form, none of them real."""


def _in_base64(text: bytes) -> Iterator[str]:
    """Yield the letters that a text always has in base64, for each of the three ways to begin."""
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + text).decode().rstrip("=")
        yield encoded[(shift * 8 + 5) // 6 : len(encoded) - 1]


_FORMS = re.compile(
    "|".join([MARK, MARK[::-1], MARK.encode().hex(), *_in_base64(MARK.encode())]), re.IGNORECASE
)


def search(text: str | bytes) -> list[str]:
    """Return the lines that have a canary, also in base64 or hexadecimal."""
    lines = (text.decode("utf-8", "replace") if isinstance(text, bytes) else text).splitlines()
    return [
        line[max(0, found.start() - 150) : found.end() + 50]
        for line in lines
        if (found := _FORMS.search(line))
    ]


def search_files(*folders: Path) -> list[str]:
    """Return the files that have a canary in name or content, also in the free pages of a
    database.
    """
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    return [
        f"{path}: {hit}"
        for path in files
        for hit in search(f"{path}\n".encode() + path.read_bytes())
    ]


def texts_of(error: BaseException) -> str:
    """Return what `%xmode Verbose` can print of an error: messages, chain, variables and their
    attributes.
    """
    texts: list[str] = []
    todo: list[BaseException | None] = [error]
    seen: set[int] = set()
    while todo:
        current = todo.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        texts += [
            str(current),
            repr(current),
            repr(vars(current)),
            *getattr(current, "__notes__", ()),
        ]
        todo += [current.__context__, current.__cause__, *getattr(current, "exceptions", ())]
        trace = current.__traceback__
        while trace is not None:
            if "/tests/" not in trace.tb_frame.f_code.co_filename:
                texts += [
                    f"{trace.tb_frame.f_code.co_qualname}: {text}"
                    for text in _variables(trace.tb_frame.f_locals)
                ]
            trace = trace.tb_next
    return "\n".join(texts)


_NOT_OPENED = (Mapping, SecretStr, _SettingsInputs)
"""Replies, which are the user's data, and opaque holders, whose attributes no line of a frame
names.
"""


def _variables(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield variables, and the attributes of our objects."""
    for name, value in values.items():
        yield f"{name} = {value!r}"
        if type(value).__module__.startswith("qfnb") and not isinstance(value, _NOT_OPENED):
            yield from (f"{name}.{key} = {attribute!r}" for key, attribute in _attributes(value))


def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
    names = {
        *getattr(value, "__dict__", {}),
        *(name for cls in type(value).__mro__ for name in _slots(cls)),
    }
    return ((name, getattr(value, name)) for name in names if hasattr(value, name))


def _slots(cls: type) -> tuple[str, ...]:
    slots = cls.__dict__.get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)
