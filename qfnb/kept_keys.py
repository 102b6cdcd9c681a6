"""Keys that last beyond the kernel: in the system's keyring, or in Colab's secrets; never in a file
of ours.

A key is kept for one platform, and read only when calls go there and no key comes from elsewhere. A
small file without secrets says which keys were kept, so that the keyring is not loaded, and asks
nothing, before there are any.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from .base.language import tr
from .base.private_files import write_private
from .credentials import PREFIX, Secret
from .errors import CredentialsError

SERVICE: Final = "qfnb"
"""The name of the service in the keyring."""

FILE_NAME: Final = "kept_keys.json"
COLAB_NAMES: Final = ("api_key", "access_key", "secret_key")

_colab_keys: dict[str, Secret] | None = None


def read(folder: Path, audience: str) -> tuple[dict[str, Secret], str]:
    """Return the keys that are kept for a platform, and where; nothing where there are none.

    Args:
        folder: the state folder.
        audience: the address that the keys are for.

    Raises:
        CredentialsError: keys are kept, and the keyring does not give them.
    """
    if names := [name for name, kept_for in _kept(folder) if kept_for == audience]:
        return _read_keyring(names, audience), tr("keyring")
    keys = _read_colab()
    return keys, tr("Colab secrets") if keys else ""


def keep(folder: Path, audience: str, keys: Mapping[str, Secret]) -> str:
    """Put keys into the system's keyring; return its name.

    Args:
        folder: the state folder.
        audience: the address that the keys are for.
        keys: by their names in the settings.

    Raises:
        CredentialsError: there is no keyring, or it refuses; the message says what to do instead.
    """
    if _is_colab():
        raise CredentialsError(
            tr(
                "Colab keeps keys itself: open the key symbol at the left, add {name}, and allow "
                "this notebook "
                "to read it",
                name=f"{PREFIX}API_KEY",
            )
        )
    backend = _keyring()
    failed = ""
    for name, value in keys.items():
        try:
            backend.set_password(SERVICE, f"{name}@{audience}", value.get_secret_value())
        except Exception as error:  # noqa: BLE001 - a backend may raise anything, with the key in its frames
            failed = type(error).__name__
            break
    if failed:
        raise CredentialsError(
            tr("the keyring does not take the key ({reason})", reason=failed) + _instead()
        )
    rows = {*_kept(folder), *((name, audience) for name in keys)}
    write_private(folder / FILE_NAME, json.dumps({"keys": sorted(rows)}))
    return str(backend.name)


def forget(folder: Path) -> int:
    """Delete all kept keys; return how many there were.

    Raises:
        CredentialsError: the keyring does not delete them.
    """
    rows = _kept(folder)
    if not rows:
        return 0
    backend = _keyring()
    failed = ""
    for name, audience in rows:
        try:
            if backend.get_password(SERVICE, f"{name}@{audience}") is not None:
                backend.delete_password(SERVICE, f"{name}@{audience}")
        except Exception as error:  # noqa: BLE001 - as above
            failed = type(error).__name__
    if failed:
        raise CredentialsError(
            tr(
                "the keyring does not delete the keys ({reason}): delete the entries of qfnb there",
                reason=failed,
            )
        )
    (folder / FILE_NAME).unlink(missing_ok=True)
    return len(rows)


def _kept(folder: Path) -> list[tuple[str, str]]:
    """Return name and address of every key that was kept."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        rows = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))["keys"]
        return [(str(name), str(audience)) for name, audience in rows]
    return []


def _read_keyring(names: Sequence[str], audience: str) -> dict[str, Secret]:
    backend = _keyring()
    failed = ""
    keys: dict[str, Secret] = {}
    for name in names:
        try:
            keys[name] = Secret(backend.get_password(SERVICE, f"{name}@{audience}") or "")
        except Exception as error:  # noqa: BLE001 - as above
            failed = type(error).__name__
    if failed or not all(keys.values()):
        reason = failed or tr("it has no such key")
        raise CredentialsError(
            tr(
                "the keyring does not give the key that was kept ({reason}): unlock it, or "
                "`%qfauth forget`",
                reason=reason,
            )
        )
    return keys


def _keyring() -> Any:
    """Return the system's keyring.

    Raises:
        CredentialsError: there is none.
    """
    try:
        import keyring  # noqa: PLC0415 - an extra, which only kept keys need
    except ImportError:
        raise CredentialsError(
            tr("keeping keys needs the package keyring: pip install 'qfnb[keyring]'")
        ) from None
    backend = keyring.get_keyring()
    if getattr(backend, "priority", 0) <= 0:  # keyring's own stand-in for a missing one
        raise CredentialsError(tr("this system has no keyring") + _instead())
    return backend


def _instead() -> str:
    return tr(
        ": write {name}=... into a file that only you can read, and name it in {variable}",
        name=f"{PREFIX}API_KEY",
        variable=f"{PREFIX}DOT_ENV_CONFIG_FILE",
    )


def _is_colab() -> bool:
    return "google.colab" in sys.modules


def _read_colab() -> dict[str, Secret]:
    """Return the keys among Colab's secrets that this notebook may read; they are asked for
    once.
    """
    global _colab_keys
    if _colab_keys is None and _is_colab():
        _colab_keys = {}
        for name in COLAB_NAMES:
            # there is none, it is not allowed, or no page is open
            with contextlib.suppress(Exception):
                value = sys.modules["google.colab"].userdata.get(f"{PREFIX}{name.upper()}")
                _colab_keys |= {name: Secret(value)} if value else {}
    return dict(_colab_keys or {})
