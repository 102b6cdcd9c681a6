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

ENVIRONMENT_PREFIX = "QFNB_SANDBOX_"
ENGINES = ("builtin", "upstream", "transformers")
TRANSFORMERS_PACKAGES = ("torch", "transformers", "peft")
INSTALL_COMMAND = "pip install 'qfnb[transformers]'"

_FILE = "engine.json"
_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")


@dataclass(frozen=True)
class EngineConfig:
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


def resolve_config(folder: Path, options: Mapping[str, Any] | None = None) -> EngineConfig:
    """Return the choice that a server of this folder starts with: given, else environment, else kept.

    Options given for the kept engine change it; those of another engine begin anew.

    Raises:
        InvalidArgumentError: a value is wrong; it names what is allowed.
    """
    explicit = {name: value for name, value in (options or {}).items() if value is not None}
    changes = {
        name: value
        for name, value in _environment_options().items()
        if _engine_of_option(name) in {"", explicit.get("engine", _engine_of_option(name))}
    } | explicit
    config = load_config(folder)
    if changes.get("engine", config.engine) != config.engine:
        config = EngineConfig()
    return validate_config(
        replace(config, **{name: _convert(name, value) for name, value in changes.items()})
    )


def load_config(folder: Path) -> EngineConfig:
    """Return the choice that a folder keeps; the built-in engine when there is none."""
    try:
        value = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        return EngineConfig(**{f.name: value[f.name] for f in fields(EngineConfig) if f.name in value})
    except (FileNotFoundError, NotADirectoryError):
        return EngineConfig()
    except (OSError, ValueError, TypeError) as error:
        raise SandboxError(
            f"{folder / _FILE} cannot be read: {type(error).__name__}\n"
            "删除它即可恢复内置引擎 / delete it to go back to the built-in engine"
        ) from None


def save_config(folder: Path, config: EngineConfig) -> None:
    """Keep a choice, for the user's eyes only: it may hold a key."""
    if config == EngineConfig() and not (folder / _FILE).exists():
        return
    temporary = folder / f"{_FILE}.{os.getpid()}.tmp"
    descriptor = os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(asdict(config), file)
    temporary.replace(folder / _FILE)


def validate_config(config: EngineConfig) -> EngineConfig:
    """Return the choice if a server can start with it.

    Raises:
        InvalidArgumentError: naming the option, its value and what is allowed.
    """
    if config.engine not in ENGINES:
        raise _invalid_option("engine", config.engine, f"it is one of {', '.join(ENGINES)}")
    for name, value in asdict(config).items():
        if _engine_of_option(name) not in {"", config.engine} and value != getattr(EngineConfig(), name):
            displayed = "..." if name == "upstream_key" else value
            raise _invalid_option(
                name,
                displayed,
                f"it belongs to engine {_engine_of_option(name)}, and the engine is {config.engine}",
            )
    if config.engine == "upstream":
        _validate_upstream(config)
    if config.engine == "transformers":
        _validate_transformers(config)
    return config


def parse_model_map(config: EngineConfig) -> dict[str, str]:
    """Return the exceptions of `upstream_map`: preset name to the upstream's.

    Raises:
        InvalidArgumentError: an entry has no "=".
    """
    pairs = [entry.partition("=") for entry in config.upstream_map.split(",") if entry.strip()]
    for name, sign, model in pairs:
        if not (name.strip() and sign and model.strip()):
            raise _invalid_option("upstream_map", config.upstream_map, "it looks like NAME=MODEL,NAME=MODEL")
    return {name.strip().lower(): model.strip() for name, _, model in pairs}


def _validate_upstream(config: EngineConfig) -> None:
    try:
        parts = urlsplit(config.upstream_url)
        host = parts.hostname or ""
    except ValueError:
        parts, host = urlsplit(""), ""
    if parts.scheme not in {"http", "https"} or not host or parts.username or parts.query:
        displayed = "..." if "@" in config.upstream_url else config.upstream_url
        raise _invalid_option("upstream_url", displayed, "it looks like http://localhost:11434/v1")
    if config.upstream_key and parts.scheme == "http" and not _is_loopback(host):
        raise _invalid_option(
            "upstream_url", config.upstream_url, "a key travels over https, or on this computer"
        )
    if not (config.upstream_key.isascii() and config.upstream_key.isprintable()):
        raise _invalid_option("upstream_key", "...", "it holds characters that no key has")
    if not (math.isfinite(config.upstream_timeout) and config.upstream_timeout > 0):
        raise _invalid_option("upstream_timeout", config.upstream_timeout, "it is seconds, more than 0")
    parse_model_map(config)


def _validate_transformers(config: EngineConfig) -> None:
    missing = [name for name in TRANSFORMERS_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise InvalidArgumentError(
            f"engine transformers needs {', '.join(missing)}\n先安装 / install it first: {INSTALL_COMMAND}"
        )
    if not _DEVICE.fullmatch(config.device):
        raise _invalid_option("device", config.device, "it is auto, cpu, cuda, cuda:N or mps")
    folder = Path(config.model_dir).expanduser()
    if (
        not config.model_dir
        or not (folder / "config.json").is_file()
        or not any(folder.glob("*.safetensors"))
    ):
        allowed = (
            "it is a folder with config.json, a tokenizer and *.safetensors (no .bin: those can run code)"
        )
        raise _invalid_option("model_dir", config.model_dir, allowed)


def _environment_options() -> dict[str, str]:
    names = {ENVIRONMENT_PREFIX + f.name.upper(): f.name for f in fields(EngineConfig)}
    return {name: os.environ[variable] for variable, name in names.items() if os.environ.get(variable)}


def _engine_of_option(name: str) -> str:
    """Return the engine that an option belongs to, "" for the choice of the engine itself."""
    return {"engine": "", "model_dir": "transformers", "device": "transformers"}.get(name, "upstream")


def _convert(name: str, value: Any) -> Any:
    if name == "model_dir":
        return _absolute_path(str(value))
    if not isinstance(getattr(EngineConfig(), name), float | int):
        return str(value).strip()
    try:
        return float(value)
    except ValueError:
        raise _invalid_option(name, value, "it is a number") from None


def _absolute_path(value: str) -> str:
    return str(Path(value).expanduser().absolute()) if value.strip() else ""


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _invalid_option(name: str, value: object, allowed: str) -> InvalidArgumentError:
    option, variable = f"--{name.replace('_', '-')}", f"{ENVIRONMENT_PREFIX}{name.upper()}"
    return InvalidArgumentError(
        f"{name}={value!r}: {allowed}\n参数或环境变量 / the option or the variable: {option}, {variable}"
    )
