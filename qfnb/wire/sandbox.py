"""What the toolkit and the sandbox's process write for each other in the sandbox's folder.

`server.json` has the address of the running server (`Address`), `engine.json` the engine that it
runs (`EngineConfig`): from the command line, the environment, or that file. With a wrong value no
server is started.
"""

import json
import math
import os
from dataclasses import asdict, dataclass, field, fields, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..base.language import tr
from ..base.private_files import write_private
from ..credentials import NO_SECRET, Secret
from ..errors import InvalidArgumentError, SandboxError
from .base import JsonMapping, JsonObject

# the version of the address file and the control interface; a server of another version is replaced
VERSION = 1
EXIT_LOCKED = 3  # the exit code of a server when another one is running


ENVIRONMENT_PREFIX = "QFNB_SANDBOX_"
UPSTREAM = "upstream"
ENGINES = ("builtin", UPSTREAM)

_FILE = "engine.json"


@dataclass(frozen=True)
class Address:
    """The address of a running sandbox, and the keys that it accepts; no key is in its repr."""

    url: str
    pid: int
    version: int
    bucket: str
    control_token: str = field(repr=False)
    api_key: str = field(repr=False)
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    ak: str = field(repr=False)
    sk: str = field(repr=False)


@dataclass(frozen=True)
class EngineConfig:
    """An engine and its options; the key is hidden."""

    engine: str = "builtin"  # one of ENGINES
    # the base URL of a server that speaks OpenAI's API, e.g. http://localhost:11434/v1
    upstream_url: str = ""
    # the model there for every preset model; "" passes the names on unchanged
    upstream_model: str = ""
    upstream_map: str = ""  # exceptions, "ernie-5.1=qwen2.5:7b,ernie-4.5-turbo-32k=qwen2.5:0.5b"
    # the model there for embeddings; "" leaves embeddings to the built-in engine
    upstream_embedding_model: str = ""
    upstream_timeout: float = 120  # seconds without data from there after which a call fails
    upstream_key: Secret = NO_SECRET  # its key

    def __post_init__(self) -> None:
        if isinstance(self.upstream_key, str):
            object.__setattr__(self, "upstream_key", Secret(self.upstream_key))


def resolve_config(folder: Path, options: JsonMapping | None = None) -> EngineConfig:
    """Return the configuration for a server of this folder: the options, else the environment, else
    the file.

    Options for the engine in the file change its configuration; with another engine the file is
    ignored.

    Raises:
        InvalidArgumentError: a value is wrong; the message names what is allowed.
    """
    explicit = {
        name: _hide_key(name, value) for name, value in (options or {}).items() if value is not None
    }
    options = None  # no frame that raises has the key as a text
    changes = _environment_options()
    if explicit.get("engine", UPSTREAM) != UPSTREAM:
        changes = {}  # all of them are the upstream's but the engine itself
    changes |= explicit
    config = load_config(folder)
    if changes.get("engine", config.engine) != config.engine:
        config = EngineConfig()
    converted = {name: _convert(name, value) for name, value in changes.items()}
    return validate_config(replace(config, **converted))


def load_config(folder: Path) -> EngineConfig:
    """Return the configuration in a folder's file; the built-in engine without a file.

    Raises:
        SandboxError: the file cannot be read.
    """
    try:
        value = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        return EngineConfig(
            **{f.name: value[f.name] for f in fields(EngineConfig) if f.name in value}
        )
    except (FileNotFoundError, NotADirectoryError):
        return EngineConfig()
    except (OSError, ValueError, TypeError) as error:
        raise SandboxError(
            tr(
                "{path} cannot be read: {kind}\ndelete it to go back to the built-in engine",
                path=folder / _FILE,
                kind=type(error).__name__,
            )
        ) from None


def save_config(folder: Path, config: EngineConfig) -> None:
    """Write a configuration to a file that only its user can read: it can hold a key."""
    if config == EngineConfig() and not (folder / _FILE).exists():
        return
    write_private(folder / _FILE, json.dumps(asdict(config), default=Secret.get_secret_value))


def validate_config(config: EngineConfig) -> EngineConfig:
    """Return a configuration after checking that a server can start with it.

    Raises:
        InvalidArgumentError: an option is wrong; the message names it, its value and what is
            allowed.
    """
    if config.engine not in ENGINES:
        raise _invalid_option(
            "engine", config.engine, tr("must be one of {engines}", engines=", ".join(ENGINES))
        )
    if config.engine == UPSTREAM:
        _validate_upstream(config)
        return config
    for name, value in asdict(config).items():
        if name != "engine" and value != getattr(EngineConfig(), name):
            reason = tr(
                "it belongs to engine {name}, but the engine is {engine}",
                name=UPSTREAM,
                engine=config.engine,
            )
            raise _invalid_option(name, "..." if name == "upstream_key" else value, reason)
    return config


def parse_model_map(config: EngineConfig) -> dict[str, str]:
    """Return `upstream_map` as a mapping of preset names to the upstream's names.

    Raises:
        InvalidArgumentError: an entry has no "=".
    """
    pairs = [entry.partition("=") for entry in config.upstream_map.split(",") if entry.strip()]
    for name, sign, model in pairs:
        if not (name.strip() and sign and model.strip()):
            raise _invalid_option(
                "upstream_map", config.upstream_map, tr("must look like NAME=MODEL,NAME=MODEL")
            )
    return {name.strip().lower(): model.strip() for name, _, model in pairs}


def _validate_upstream(config: EngineConfig) -> None:
    try:
        parts = urlsplit(config.upstream_url)
        host = parts.hostname or ""
    except ValueError:
        parts = urlsplit("")
        host = ""
    if parts.scheme not in {"http", "https"} or not host or parts.username or parts.query:
        if "@" in config.upstream_url:
            displayed = "..."
        else:
            displayed = config.upstream_url
        raise _invalid_option(
            "upstream_url", displayed, tr("must look like http://localhost:11434/v1")
        )
    if config.upstream_key and parts.scheme == "http" and not _is_loopback(host):
        raise _invalid_option(
            "upstream_url",
            config.upstream_url,
            tr("a key is sent over https or on this computer only"),
        )
    key = config.upstream_key.get_secret_value
    if not (key().isascii() and key().isprintable()):
        raise _invalid_option("upstream_key", "...", tr("it contains characters that no key has"))
    if not (math.isfinite(config.upstream_timeout) and config.upstream_timeout > 0):
        raise _invalid_option(
            "upstream_timeout", config.upstream_timeout, tr("must be seconds, more than 0")
        )
    parse_model_map(config)


def _environment_options() -> JsonObject:
    names = {ENVIRONMENT_PREFIX + f.name.upper(): f.name for f in fields(EngineConfig)}
    return {
        name: _hide_key(name, text)
        for variable, name in names.items()
        if (text := os.environ.get(variable))
    }


def _hide_key(name: str, value: Any) -> Any:
    if name == "upstream_key" and isinstance(value, str):
        return Secret(value.strip())
    return value


def _convert(name: str, value: Any) -> Any:
    if isinstance(value, Secret):
        return value
    if not isinstance(getattr(EngineConfig(), name), float | int):
        return str(value).strip()
    try:
        return float(value)
    except ValueError:
        raise _invalid_option(name, value, tr("must be a number")) from None


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _invalid_option(name: str, value: object, allowed: str) -> InvalidArgumentError:
    option = f"--{name.replace('_', '-')}"
    variable = f"{ENVIRONMENT_PREFIX}{name.upper()}"
    return InvalidArgumentError(
        tr(
            "{name}={value!r}: {allowed}\nthe option or the variable: {option}, {variable}",
            name=name,
            value=value,
            allowed=allowed,
            option=option,
            variable=variable,
        )
    )
