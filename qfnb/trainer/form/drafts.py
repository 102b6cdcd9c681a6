"""Saved drafts of the form, one JSON file each."""

import json
import re
from pathlib import Path

from ...base.language import tr
from ...base.private_files import write_private
from ...base.text import listed
from ...config import state_dir
from ...errors import InvalidArgumentError
from .launch_form import Draft


def save(name: str, draft: Draft) -> None:
    """Save a draft under a name, over an older one; only this user can read the file.

    Raises:
        InvalidArgumentError: the name is not valid, or the file cannot be written.
    """
    path = _path(name)
    try:
        write_private(path, json.dumps(draft.model_dump(), ensure_ascii=False, indent=1))
    except OSError as error:
        raise InvalidArgumentError(
            tr("The settings “{name}” cannot be saved: {reason}.", name=name, reason=error.strerror)
        ) from None


def load(name: str) -> Draft:
    """Return the draft saved under a name.

    Raises:
        InvalidArgumentError: no draft has this name, or the file is not a draft.
    """
    path = _path(name)
    try:
        return Draft(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        names = listed(list_names())
        text = tr("There are no settings “{name}”; none have been saved yet.", name=name)
        if names:
            text = tr("There are no settings “{name}”; there are {names}.", name=name, names=names)
        raise InvalidArgumentError(text) from None
    except (OSError, ValueError, TypeError) as error:
        reason = str(error).split("\n")[0]
        raise InvalidArgumentError(
            tr("The settings “{name}” cannot be read: {reason}", name=name, reason=reason)
        ) from None


def list_names() -> list[str]:
    """Return the names of the saved drafts."""
    return sorted(path.stem for path in state_dir("launches").glob("*.json"))


def _path(name: str) -> Path:
    if not re.fullmatch(r"\w[\w\-]{0,59}", name.strip()):
        raise InvalidArgumentError(
            tr(
                "“{name}” cannot be a name: use up to 60 letters, digits, _ and -, and begin with "
                "a letter or digit.",
                name=name,
            )
        )
    return state_dir("launches") / f"{name.strip()}.json"
