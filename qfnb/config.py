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
import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError, field_validator

from ._notices import warn_once
from .base.language import LANGUAGES, choose_language, language, tr
from .base.private_files import write_private
from .base.text import describe_problem
from .credentials import (
    NO_SECRET as NO_SECRET,
    PREFIX,
    Credentials as Credentials,
    Secret as Secret,
    secret_in_address,
)
from .errors import CredentialsError, InvalidArgumentError

SERVICE: Final = "qfnb"
"""The name of the service in the keyring."""

FILE_NAME: Final = "kept_keys.json"
COLAB_NAMES: Final = ("api_key", "access_key", "secret_key")

_colab_keys: dict[str, Secret] | None = None


def _list_key_names(folder: Path) -> list[tuple[str, str]]:
    """Return name and address of every key that was kept."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        rows = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))["keys"]
        return [(str(name), str(audience)) for name, audience in rows]
    return []


def _read_keyring(names: Sequence[str], audience: str) -> dict[str, Secret]:
    backend = _keyring()
    keys: dict[str, Secret] = {}
    for name in names:
        key, failed = _ask(backend.get_password, f"{name}@{audience}")
        if not key:
            raise CredentialsError(
                tr(
                    "the keyring does not give the key that was kept ({reason}): unlock it, or "
                    "`%qfauth forget`",
                    reason=failed or tr("it has no such key"),
                )
            )
        keys[name] = Secret(key)
    return keys


def _ask(function: Callable[..., Any], *arguments: str) -> tuple[Any, str]:
    """Return what a function of the keyring returns for a key of qfnb, and the class of its error;
    it may raise anything, with the key in its frames.
    """
    try:
        return function(SERVICE, *arguments), ""
    except Exception as error:  # noqa: BLE001 - as above
        return None, type(error).__name__


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


SETTINGS_WITHOUT_EFFECT: dict[str, object] = {
    "access_code": None,
    "access_token_refresh_min_interval": 3600,
    "appid": None,
    "auth_timeout": 5,
    "bos_host_region": "bj",
    "cache_dir": None,
    "chat_v2_api_route": "/v2/chat/completions",
    "console_api_retry_backoff_factor": 0,
    "console_api_retry_err_codes": {18, 336100, 500000},
    "console_api_retry_jitter": 1,
    "console_api_retry_max_wait_interval": 120,
    "default_fine_tune_train_type": "ERNIE-Speed",
    "disable_cache": False,
    "disable_eb_sdk": True,
    "eb_sdk_installed": False,
    "enable_auth": None,
    "enable_private": False,
    "etl_status_polling_interval": 2,
    "export_file_size_limit": 2 << 30,
    "export_status_polling_interval": 2,
    "file_encoding": "utf-8",
    "get_entity_content_failed_retry_times": 3,
    "infer_resource_refresh_interval": 600,
    "model_api_prefix": "/rpc/2.0/ai_custom/v1/wenxinworkshop",
    "no_auth": False,
    "trainer_status_polling_backoff_factor": 3,
    "trainer_status_polling_retry_times": 3,
    "use_custom_endpoint": False,
    "v2_infer_api_downgrade": False,
}
"""Settings of the official SDK that can be set and read, and change nothing here -> its
defaults.
"""

UNSET_VALUES: dict[str, object] = {
    "llm_api_retry_backoff_factor": 1,
    "llm_api_retry_err_codes": frozenset([2, 15, 18, 336100, 336501, 336502]),
}
"""Settings that have the official SDK's value only when they are set -> what is read before
that.
"""


class Settings(BaseModel):
    """Every setting, typed; each is read from the environment as `QIANFAN_` + upper-case name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: str = "https://aip.baidubce.com"
    """Inference, v1, and the exchange of an application's AK and SK."""

    console_api_base_url: str = "https://qianfan.baidubce.com"
    """Inference, v2, and management."""

    iam_base_url: str = "https://iam.bj.baidubce.com"
    """Exchanges an IAM pair for a bearer token."""

    bos_base_url: str = "https://bj.bcebos.com"
    """Object storage, for files that datasets and offline batches are made of."""

    bos_bucket: str = ""
    """Your bucket there."""

    api_key: Secret = NO_SECRET
    """An API key, `bce-v3/ALTAK-...`: inference."""

    bearer_token: Secret = NO_SECRET
    """A bearer token that you have already; it is not renewed."""

    access_key: Secret = NO_SECRET
    """The access key of an IAM pair: inference and management."""

    secret_key: Secret = NO_SECRET
    """The secret key of the IAM pair."""

    ak: Secret = NO_SECRET
    """The API key of an application (v1, which ended on 2026-08-31)."""

    sk: Secret = NO_SECRET
    """The secret key of the application."""

    access_token: Secret = NO_SECRET
    """An access token of v1 that you have already."""

    app_id: str = ""
    """The application that a v2 call belongs to."""

    openai_base_url: str = ""
    """Any server with OpenAI's API, e.g. http://127.0.0.1:11434/v1; its key is `api_key`."""

    profile: str = ""
    """A named base URL: one of `connect.PROFILES`."""

    model: str = ""
    """The model that is asked for chat and completion when none is named; "" for the default."""

    image_model: str = ""
    """The model that is asked for pictures when none is named; "" for the default."""

    embedding_model: str = ""
    """The model that is asked for embeddings when none is named; "" for the default."""

    rerank_model: str = ""
    """The model that is asked for reranking when none is named; "" for the default."""

    strict_models: bool = False
    """Refuse a retired model instead of asking what replaces it."""

    platform: str = ""
    """`sandbox` forces the sandbox, `qianfan` forbids it; "" uses the sandbox when there is no
    key.
    """

    iam_sign_expiration_sec: int = 300
    """Seconds that a signature is valid."""

    bearer_token_expired_interval: int = 43200
    """Seconds for which a bearer token is asked."""

    qps_limit: float = 0
    """Requests a second at most, for each key and model; 0 for no limit of your own."""

    rpm_limit: float = 0
    """Requests a minute at most; 0 for no limit of your own."""

    tpm_limit: float = 0
    """Tokens a minute at most; 0 for no limit of your own."""

    llm_api_retry_count: int = 3
    """Attempts of an inference call, the first included."""

    llm_api_retry_timeout: float = 600
    """Seconds that an inference call may take, with all its attempts."""

    llm_api_retry_backoff_factor: float | None = None
    """Seconds before the second attempt of an inference call, doubled for each further one; unset:
    delays of qfnb.
    """

    llm_api_retry_jitter: float = 1
    """Seconds at random that are added to these delays, at most."""

    llm_api_retry_max_wait_interval: float = 120
    """Seconds of such a delay at most."""

    llm_api_retry_err_codes: frozenset[int | str] | None = None
    """Error codes, with commas between them, that inference calls are tried again for; unset: a
    busy platform's.
    """

    console_api_retry_count: int = 3
    """Attempts of a management call, the first included."""

    console_api_retry_timeout: float = 60
    """Seconds that a management call may take, with all its attempts."""

    connect_timeout: float = 5
    """Seconds until a connection must be open."""

    first_token_timeout: float = 300
    """Seconds that a stream may be silent before its first piece: long prompts and hidden thinking
    take long.
    """

    idle_timeout: float = 120
    """Seconds that a stream may be silent between two pieces; pieces of thinking count."""

    train_status_polling_interval: float = 30
    """Seconds between two questions for the state of a training."""

    model_publish_status_polling_interval: float = 30
    """Seconds between two questions for the state of a published model."""

    deploy_status_polling_interval: float = 30
    """Seconds between two questions for the state of a service."""

    batch_run_status_polling_interval: float = 30
    """Seconds between two questions for the state of an offline batch."""

    evaluation_online_polling_interval: float = 30
    """Seconds between two questions for the state of the platform's evaluation."""

    import_status_polling_interval: float = 2
    """Seconds between two questions for the state of a dataset's import."""

    release_status_polling_interval: float = 2
    """Seconds between two questions for the state of a dataset's release."""

    keep_conversations: bool = True
    """Keep the conversations of `%%qfchat --session` on disk, for other kernels; off, they end with
    the kernel.
    """

    max_row_mb: float = 10
    """MB of text that a row of a batch may have; the longest context of a model is about 6."""

    proxy: Secret = NO_SECRET
    """`http://user:password@host:port`; without it, `HTTPS_PROXY` and `NO_PROXY` count."""

    ssl_verification_enabled: bool = True
    """Check the certificates of servers."""

    sandbox_idle_minutes: float = 30
    """Minutes without a call after which the sandbox stops."""

    @field_validator("llm_api_retry_err_codes", mode="before")
    @classmethod
    def _split_codes(cls, value: object) -> object:
        """Return the codes of a text, as the environment has them, and those of a set as they
        are.
        """
        if not isinstance(value, str):
            return value
        return [
            int(code) if code.strip().isdigit() else code.strip()
            for code in value.split(",")
            if code.strip()
        ]

    @field_validator(
        "base_url", "console_api_base_url", "iam_base_url", "bos_base_url", "openai_base_url"
    )
    @classmethod
    def _refuse_secrets(cls, address: str) -> str:
        if problem := secret_in_address(address):
            raise ValueError(problem)
        return address

    prices: str = ""
    """A CSV file of your own prices, which win over the list prices (`wire.own_prices`)."""


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
        key = name.lower()
        if key == "lang":
            return language()
        if key in SETTINGS_WITHOUT_EFFECT:
            return self._without_effect.get(key, SETTINGS_WITHOUT_EFFECT[key])
        if key not in Settings.model_fields:
            raise AttributeError(tr("there is no setting {name!r}", name=name))
        value = getattr(settings(), key)
        return UNSET_VALUES.get(key) if value is None else value

    def __setattr__(self, name: str, value: object) -> None:
        key = name.lower()
        if key == "lang":
            return _set_language(value)
        if key in SETTINGS_WITHOUT_EFFECT:
            self._without_effect[key] = value
            return warn_once(tr("the setting {name} changes nothing in qfnb", name=name))
        if key not in Settings.model_fields:
            raise InvalidArgumentError(
                tr(
                    "there is no setting {name!r}; the settings are {names}",
                    name=name,
                    names=tr(", ").join(Settings.model_fields),
                )
            )
        if value is None:
            return self.__delattr__(name)
        if isinstance(value, SecretStr):
            value = value.get_secret_value()
        if Settings.model_fields[key].annotation is Secret and isinstance(value, str):
            value = Secret(value)
        self._overrides[key] = value
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
        earlier = {**vars(self)}
        object.__setattr__(self, "_overrides", {})
        object.__setattr__(self, "_without_effect", {**self._without_effect})
        try:
            yield
        finally:
            vars(self).update(earlier)

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
        return Settings.model_validate(_raw_settings())  # no variable, which tracebacks print
    except ValidationError as error:
        message = _format_error(error)
    raise InvalidArgumentError(message)  # here, where the values are not in its context


def _raw_settings() -> dict[str, Any]:
    values = _explicit_settings()
    return _kept_keys(values)[0] | values


def _explicit_settings() -> dict[str, Any]:
    """Return the settings made by hand, in the environment or in the named file."""
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
    address = audience(values)
    names = [name for name, kept_for in _list_key_names(_state_path()) if kept_for == address]
    if names:
        return _read_keyring(names, address), tr("keyring")
    keys = _read_colab()
    return keys, tr("Colab secrets") if keys else ""


_ADDRESSES = (
    "openai_base_url",
    "profile",
    "base_url",
    "console_api_base_url",
    "iam_base_url",
    "bos_base_url",
)


def audience(values: Mapping[str, Any]) -> str:
    """Return the platform that keys are kept for: Qianfan, or the addresses that these settings
    name instead.
    """
    defaults = {None, *(Settings.model_fields[name].default for name in _ADDRESSES)}
    addresses = [str(values.get(name)) for name in _ADDRESSES if values.get(name) not in defaults]
    return " ".join(addresses) or "qianfan"


def keep_keys(keys: Mapping[str, Secret]) -> str:
    """Put keys into the system's keyring, for the present platform; return the keyring's name.

    Raises:
        CredentialsError: there is no keyring, or it refuses; the message says what to do instead.
    """
    global _cached_settings
    _cached_settings = None
    if _is_colab():
        raise CredentialsError(
            tr(
                "Colab keeps keys itself: open the key symbol at the left, add {name}, and allow "
                "this notebook "
                "to read it",
                name=f"{PREFIX}API_KEY",
            )
        )
    folder = state_dir()
    address = audience(_explicit_settings())
    backend = _keyring()
    rows = {*_list_key_names(folder)}
    for name, value in keys.items():
        _, failed = _ask(backend.set_password, f"{name}@{address}", value.get_secret_value())
        if failed:
            raise CredentialsError(
                tr("the keyring does not take the key ({reason})", reason=failed) + _instead()
            )
        rows.add((name, address))
    write_private(folder / FILE_NAME, json.dumps({"keys": sorted(rows)}))
    return str(backend.name)


def forget_kept_keys() -> int:
    """Delete all kept keys from the keyring; return how many there were.

    Raises:
        CredentialsError: the keyring does not delete them.
    """
    global _cached_settings
    _cached_settings = None
    folder = state_dir()
    rows = _list_key_names(folder)
    backend: Any = _keyring() if rows else None
    for name, address in rows:
        key, failed = _ask(backend.get_password, f"{name}@{address}")
        if key is not None:
            _, failed = _ask(backend.delete_password, f"{name}@{address}")
        if failed:
            raise CredentialsError(
                tr(
                    "the keyring does not delete the keys ({reason}): delete the entries of qfnb "
                    "there",
                    reason=failed,
                )
            )
    (folder / FILE_NAME).unlink(missing_ok=True)
    return len(rows)


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
    values = {}
    for line in lines:
        key, separator, value = line.strip().removeprefix("export ").partition("=")
        if separator and not key.startswith("#"):
            values[key.strip()] = value.strip().strip("\"'")
    return values


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
