"""Which engine a sandbox runs: given on the command line or in the environment, kept in its folder.

Standard library only: it is read before a server is started, and a wrong value starts none.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ...errors import InvalidArgumentError, SandboxError

PREFIX = "QFNB_SANDBOX_"
ENGINES = ("builtin", "upstream", "transformers")
NEEDED = ("torch", "transformers", "peft")
INSTALL = "pip install 'qfnb[transformers]'"

_FILE = "engine.json"
_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")


@dataclass(frozen=True)
class Choice:
    """An engine and its options; the key does not show in its repr.

    Attributes:
        engine: one of ENGINES.
        upstream_url: the base URL of a server that speaks OpenAI's API, e.g. http://localhost:11434/v1.
        upstream_model: what is asked there for every preset model; "" passes the names on as they are.
        upstream_map: exceptions from it, "ernie-4.0-8k=qwen2.5:7b,ernie-speed-8k=qwen2.5:0.5b".
        upstream_embedding_model: what embeds there; "" leaves embeddings to the built-in engine.
        upstream_timeout: seconds without a word from there after which a call fails.
        upstream_key: its key.
        model_dir: a folder with config.json, a tokenizer and *.safetensors.
        device: auto, cpu, cuda, cuda:N or mps.
    """

    engine: str = "builtin"
    upstream_url: str = ""
    upstream_model: str = ""
    upstream_map: str = ""
    upstream_embedding_model: str = ""
    upstream_timeout: float = 120
    upstream_key: str = field(default="", repr=False)
    model_dir: str = ""
    device: str = "auto"


def chosen(folder: Path, given: Mapping[str, Any] | None = None) -> Choice:
    """Return the choice that a server of this folder starts with: given, else environment, else kept.

    Options given for the kept engine change it; those of another engine begin anew.

    Raises:
        InvalidArgumentError: a value is wrong; it names what is allowed.
    """
    told = {name: value for name, value in (given or {}).items() if value is not None}
    wanted = {
        name: value
        for name, value in _environment().items()
        if _owner(name) in {"", told.get("engine", _owner(name))}
    } | told
    now = kept(folder)
    if wanted.get("engine", now.engine) != now.engine:
        now = Choice()
    return checked(replace(now, **{name: _typed(name, value) for name, value in wanted.items()}))


def kept(folder: Path) -> Choice:
    """Return the choice that a folder keeps; the built-in engine when there is none."""
    try:
        value = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        return Choice(**{f.name: value[f.name] for f in fields(Choice) if f.name in value})
    except (FileNotFoundError, NotADirectoryError):
        return Choice()
    except (OSError, ValueError, TypeError) as error:
        raise SandboxError(
            f"{folder / _FILE} cannot be read: {type(error).__name__}\n"
            "删除它即可恢复内置引擎 / delete it to go back to the built-in engine"
        ) from None


def keep(folder: Path, choice: Choice) -> None:
    """Keep a choice, for the user's eyes only: it may hold a key."""
    if choice == Choice() and not (folder / _FILE).exists():
        return
    temporary = folder / f"{_FILE}.{os.getpid()}.tmp"
    descriptor = os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(asdict(choice), file)
    temporary.replace(folder / _FILE)


def checked(choice: Choice) -> Choice:
    """Return the choice if a server can start with it.

    Raises:
        InvalidArgumentError: naming the option, its value and what is allowed.
    """
    if choice.engine not in ENGINES:
        raise _wrong("engine", choice.engine, f"it is one of {', '.join(ENGINES)}")
    for name, value in asdict(choice).items():
        if _owner(name) not in {"", choice.engine} and value != getattr(Choice(), name):
            shown = "..." if name == "upstream_key" else value
            raise _wrong(
                name, shown, f"it belongs to engine {_owner(name)}, and the engine is {choice.engine}"
            )
    if choice.engine == "upstream":
        _check_upstream(choice)
    if choice.engine == "transformers":
        _check_transformers(choice)
    return choice


def models_of(choice: Choice) -> dict[str, str]:
    """Return the exceptions of `upstream_map`: preset name to the upstream's.

    Raises:
        InvalidArgumentError: an entry has no "=".
    """
    pairs = [entry.partition("=") for entry in choice.upstream_map.split(",") if entry.strip()]
    for name, sign, model in pairs:
        if not (name.strip() and sign and model.strip()):
            raise _wrong("upstream_map", choice.upstream_map, "it looks like NAME=MODEL,NAME=MODEL")
    return {name.strip().lower(): model.strip() for name, _, model in pairs}


def _check_upstream(choice: Choice) -> None:
    try:
        parts = urlsplit(choice.upstream_url)
        host = parts.hostname or ""
    except ValueError:
        parts, host = urlsplit(""), ""
    if parts.scheme not in {"http", "https"} or not host or parts.username or parts.query:
        shown = "..." if "@" in choice.upstream_url else choice.upstream_url
        raise _wrong("upstream_url", shown, "it looks like http://localhost:11434/v1")
    if choice.upstream_key and parts.scheme == "http" and not _is_here(host):
        raise _wrong("upstream_url", choice.upstream_url, "a key travels over https, or on this computer")
    if not (choice.upstream_key.isascii() and choice.upstream_key.isprintable()):
        raise _wrong("upstream_key", "...", "it holds characters that no key has")
    if not (math.isfinite(choice.upstream_timeout) and choice.upstream_timeout > 0):
        raise _wrong("upstream_timeout", choice.upstream_timeout, "it is seconds, more than 0")
    models_of(choice)


def _check_transformers(choice: Choice) -> None:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise InvalidArgumentError(
            f"engine transformers needs {', '.join(missing)}\n先安装 / install it first: {INSTALL}"
        )
    if not _DEVICE.fullmatch(choice.device):
        raise _wrong("device", choice.device, "it is auto, cpu, cuda, cuda:N or mps")
    folder = Path(choice.model_dir).expanduser()
    if (
        not choice.model_dir
        or not (folder / "config.json").is_file()
        or not any(folder.glob("*.safetensors"))
    ):
        allowed = (
            "it is a folder with config.json, a tokenizer and *.safetensors (no .bin: those can run code)"
        )
        raise _wrong("model_dir", choice.model_dir, allowed)


def _environment() -> dict[str, str]:
    names = {PREFIX + f.name.upper(): f.name for f in fields(Choice)}
    return {name: os.environ[variable] for variable, name in names.items() if os.environ.get(variable)}


def _owner(name: str) -> str:
    """Return the engine that an option belongs to, "" for the choice of the engine itself."""
    return {"engine": "", "model_dir": "transformers", "device": "transformers"}.get(name, "upstream")


def _typed(name: str, value: Any) -> Any:
    if name == "model_dir":
        return _absolute(str(value))
    if not isinstance(getattr(Choice(), name), float | int):
        return str(value).strip()
    try:
        return float(value)
    except ValueError:
        raise _wrong(name, value, "it is a number") from None


def _absolute(value: str) -> str:
    return str(Path(value).expanduser().absolute()) if value.strip() else ""


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _wrong(name: str, value: object, allowed: str) -> InvalidArgumentError:
    option, variable = f"--{name.replace('_', '-')}", f"{PREFIX}{name.upper()}"
    return InvalidArgumentError(
        f"{name}={value!r}: {allowed}\n参数或环境变量 / the option or the variable: {option}, {variable}"
    )
