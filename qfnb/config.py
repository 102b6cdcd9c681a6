"""Settings and credentials: where they come from, and in which order; keys are never shown.

Order: keywords of a constructor or call > attributes set on `get_config()` > environment
`QIANFAN_*` > the file named by `QIANFAN_DOT_ENV_CONFIG_FILE` > defaults. A `.env` that merely lies
in the working
directory is not read: a cloned repository must not be able to send your key to another host. Keys
that `%qfauth set --keep` has put into the keyring, or that are among Colab's secrets, are used
where all of these
have no key at all: the keys of two accounts are never mixed.
"""

import contextlib
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError

from . import kept_keys
from ._notices import warn_once
from ._settings import SETTINGS_WITHOUT_EFFECT, UNSET_VALUES, Settings as Settings
from .base.language import LANGUAGES, choose_language, language, tr
from .base.text import describe_problem
from .credentials import (
    NO_SECRET as NO_SECRET,
    PREFIX,
    Credentials as Credentials,
    Secret as Secret,
)
from .errors import InvalidArgumentError

MODEL_NAMES = ("model", "image_model", "embedding_model", "rerank_model")
KEY_NAMES = tuple(f.name for f in fields(Credentials))


class Config:
    """The settings as users change them: `get_config().ak = "..."`, in upper or lower case; None
    forgets it again.

    `lang`, the language of messages and panels, is "zh" or "en"; by default `QFNB_LANG`, else the
    locale.
    """

    def __init__(self) -> None:
        object.__setattr__(self, "_overrides", {})
        object.__setattr__(self, "_without_effect", {})

    def __getattr__(self, name: str) -> Any:
        if name.lower() == "lang":
            return language()
        if name.lower() in SETTINGS_WITHOUT_EFFECT:
            return self._without_effect.get(name.lower(), SETTINGS_WITHOUT_EFFECT[name.lower()])
        if name.lower() not in Settings.model_fields:
            raise AttributeError(tr("there is no setting {name!r}", name=name))
        value = getattr(settings(), name.lower())
        if value is None:
            return UNSET_VALUES.get(name.lower())
        return value

    def __setattr__(self, name: str, value: object) -> None:
        if name.lower() == "lang":
            return _set_language(value)
        if name.lower() in SETTINGS_WITHOUT_EFFECT:
            self._without_effect[name.lower()] = value
            return warn_once(tr("the setting {name} changes nothing in qfnb", name=name))
        if name.lower() not in Settings.model_fields:
            raise InvalidArgumentError(
                tr(
                    "there is no setting {name!r}; the settings are {names}",
                    name=name,
                    names=tr(", ").join(Settings.model_fields),
                )
            )
        if value is None:
            return self.__delattr__(name)
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        is_secret = Settings.model_fields[name.lower()].annotation is Secret
        self._overrides[name.lower()] = (
            Secret(text) if is_secret and isinstance(text, str) else text
        )
        return None

    def __delattr__(self, name: str) -> None:
        if name.lower() == "lang":
            choose_language(None)
        self._overrides.pop(name.lower(), None)

    @contextlib.contextmanager
    def unset(self) -> Iterator[None]:
        """Forget for a while what was set by hand; what is set meanwhile is forgotten at the
        end.
        """
        earlier = dict(self._overrides), dict(self._without_effect)
        self._overrides.clear()
        try:
            yield
        finally:
            for values, earlier_values in zip(
                (self._overrides, self._without_effect), earlier, strict=True
            ):
                values.clear()
                values.update(earlier_values)

    def __repr__(self) -> str:
        names = ", ".join(sorted(self._overrides)) or "nothing"
        return f"<qfnb config: {names} set by hand, the rest from the environment>"


_config = Config()


def _set_language(value: object) -> None:
    if value is not None and value not in LANGUAGES:
        raise InvalidArgumentError(
            tr("lang={value!r}: must be 'en' or 'zh', or None for the default", value=value)
        )
    choose_language(str(value) if value else None)


def get_config() -> Config:
    """Return the settings object; attributes set on it win over the environment."""
    return _config


def settings() -> Settings:
    """Return the present settings.

    They are read again only when the environment, the .env file or the settings object has changed.

    Raises:
        InvalidArgumentError: a variable has a value that its setting does not allow.
    """
    global _cached_settings
    inputs = _SettingsInputs(_environment(), dict(_config._overrides))  # noqa: SLF001 - the object is this module's own
    if _cached_settings is None or _cached_settings[0] != inputs:
        if _dotenv_name():
            return _read_settings()  # changes of a file are not noticed
        _cached_settings = inputs, _read_settings()
    return _cached_settings[1]


@dataclass(repr=False)
class _SettingsInputs:
    """What the settings are read from; opaque, since it holds all keys."""

    environment: dict[Any, Any]
    overrides: dict[str, object]


_cached_settings: tuple[_SettingsInputs, Settings] | None = None


def _environment() -> dict[Any, Any]:
    """Return the environment as bytes: comparing it takes microseconds, decoding it half of a
    call's time.
    """
    return dict(getattr(os.environ, "_data", os.environ))


def _read_settings() -> Settings:
    try:
        return Settings.model_validate(_raw_settings())
    except ValidationError as error:
        message = _format_error(error)
    raise InvalidArgumentError(message)  # here, where the values are not in its context


def _raw_settings() -> dict[str, Any]:
    values = _explicit_settings()
    return _kept_keys(values)[0] | values


def _explicit_settings() -> dict[str, Any]:
    """Return what is set by hand, in the environment or in the named file."""
    values: dict[str, Any] = {}
    for source in (_dotenv(), os.environ):
        values |= {
            name: source[PREFIX + name.upper()]
            for name in Settings.model_fields
            if source.get(PREFIX + name.upper(), "") != ""
        }
    values |= _config._overrides  # noqa: SLF001 - the object is this module's own
    return values


def _kept_keys(values: Mapping[str, Any]) -> tuple[dict[str, Secret], str]:
    """Return the kept keys for the platform of these settings, and where they are; none where there
    is another key.
    """
    if values.get("platform") == "sandbox" or any(
        values.get(name) for name in (*KEY_NAMES, "bearer_token")
    ):
        return {}, ""
    return kept_keys.read(_state_path(), audience(values))


_ADDRESSES = (
    "openai_base_url",
    "profile",
    "base_url",
    "console_api_base_url",
    "iam_base_url",
    "bos_base_url",
)


def audience(values: Mapping[str, Any]) -> str:
    """Return what keys are kept for: Qianfan, or the addresses that these settings name instead."""
    names = (
        name
        for name in _ADDRESSES
        if values.get(name) not in {None, Settings.model_fields[name].default}
    )
    return " ".join(str(values[name]) for name in names) or "qianfan"


def keep_keys(keys: Mapping[str, Secret]) -> str:
    """Put keys into the system's keyring, for the present platform; return the keyring's name.

    Raises:
        CredentialsError: there is no keyring, or it refuses.
    """
    global _cached_settings
    _cached_settings = None
    return kept_keys.keep(state_dir(), audience(_explicit_settings()), keys)


def forget_kept_keys() -> int:
    """Delete all kept keys from the keyring; return how many there were.

    Raises:
        CredentialsError: the keyring does not delete them.
    """
    global _cached_settings
    _cached_settings = None
    return kept_keys.forget(state_dir())


def credentials(current_settings: Settings | None = None) -> Credentials:
    """Return the keys that the settings hold."""
    global _cached_credentials
    current = current_settings or settings()
    if _cached_credentials is None or _cached_credentials[0] is not current:
        values = {name: getattr(current, name) for name in KEY_NAMES}
        keys = Credentials.of({**values, "api_key": current.api_key or current.bearer_token})
        _cached_credentials = current, keys
    return _cached_credentials[1]


_cached_credentials: tuple[Settings, Credentials] | None = None


def validate_rate_limits(current: Settings) -> None:
    """Validate the limits that a user has set.

    Raises:
        InvalidArgumentError: a limit is negative, or both request limits are set.
    """
    for name in ("qps_limit", "rpm_limit", "tpm_limit"):
        if not math.isfinite(value := getattr(current, name)) or value < 0:
            raise InvalidArgumentError(
                tr(
                    "QIANFAN_{name}={value!r}: must be a number, 0 for no limit",
                    name=name.upper(),
                    value=value,
                )
            )
    if current.qps_limit and current.rpm_limit:
        raise InvalidArgumentError(
            tr("QIANFAN_QPS_LIMIT and QIANFAN_RPM_LIMIT are both set: keep one")
        )


def state_dir(subfolder: str = "") -> Path:
    """Return the folder of the user's state (QFNB_STATE_DIR), or one in it; created if missing,
    with mode 0700.
    """
    for path in (root := _state_path(), root / subfolder):
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return root / subfolder


def _state_path() -> Path:
    if configured := os.environ.get("QFNB_STATE_DIR"):
        return Path(configured).expanduser().absolute()
    import platformdirs  # noqa: PLC0415 - only when the folder is needed

    return Path(platformdirs.user_state_dir("qfnb", appauthor=False)).absolute()


def sources() -> dict[str, str]:
    """Return where each key comes from, {"access_key": "environment", ...}, without the keys."""
    sources_: dict[str, str] = {}
    for name in (*KEY_NAMES, "bearer_token"):
        variable = PREFIX + name.upper()
        if name in _config._overrides:  # noqa: SLF001
            sources_[name] = "get_config()"
        elif os.environ.get(variable):
            sources_[name] = tr("environment {variable}", variable=variable)
        elif _dotenv().get(variable):
            sources_[name] = tr("file {name}", name=_dotenv_name())
    if not sources_:
        keys, origin = _kept_keys(_explicit_settings())
        sources_ = dict.fromkeys(keys, origin)
    return sources_


def _dotenv_name() -> str:
    return os.environ.get(PREFIX + "DOT_ENV_CONFIG_FILE", "")


def _dotenv() -> dict[str, str]:
    name = _dotenv_name()
    if not name:
        return {}
    try:
        lines = Path(name).expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgumentError(
            tr(
                "{prefix}DOT_ENV_CONFIG_FILE={name}: the file cannot be read: {kind}",
                prefix=PREFIX,
                name=name,
                kind=type(error).__name__,
            )
        ) from None
    pairs = (
        line.removeprefix("export ").split("=", 1) for line in map(str.strip, lines) if "=" in line
    )
    return {
        key.strip(): value.strip().strip("\"'") for key, value in pairs if not key.startswith("#")
    }


def _format_error(error: ValidationError) -> str:
    first_error = error.errors(include_input=False, include_url=False)[0]
    name = str(first_error["loc"][0])
    return tr(
        "{prefix}{variable} (or get_config().{name}): {reason}",
        prefix=PREFIX,
        variable=name.upper(),
        name=name,
        reason=describe_problem(first_error),
    )
