"""Short names for models, kept in this user's state folder: `%qfchat alias fast
ernie-4.5-turbo-32k`.
"""

import json
from pathlib import Path
from typing import Any

from ..base.language import tr
from ..config import state_dir
from ..errors import InvalidArgumentError


def resolve(name: str) -> str:
    """Return the model of an alias; other names are returned unchanged."""
    return load().get(name, name)


def load() -> dict[str, str]:
    """Return all aliases."""
    try:
        value: Any = json.loads(_path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if isinstance(value, dict):
        return {str(key): str(item) for key, item in value.items()}
    return {}


def run_command(words: list[str]) -> dict[str, str]:
    """Set an alias, given its name and its model; return all aliases.

    Raises:
        InvalidArgumentError: the alias has a comma, or cannot be written.
    """
    aliases = load()
    if words:
        if "," in words[0]:
            raise InvalidArgumentError(tr("alias {words!r}: a name has no comma", words=words[0]))
        aliases[words[0]] = words[1]
        try:
            _path().write_text(json.dumps(aliases, ensure_ascii=False, indent=2), encoding="utf-8")
        except OSError as error:
            raise InvalidArgumentError(
                tr("the alias cannot be saved: {reason}", reason=error.strerror)
            ) from None
    return aliases


def _path() -> Path:
    return state_dir() / "aliases.json"
