"""Settings and credentials: where they come from, and in which order; keys are never shown.

Order: keywords of a constructor or call > attributes set on `get_config()` > environment `QIANFAN_*` >
the file named by `QIANFAN_DOT_ENV_CONFIG_FILE` > defaults. A `.env` that merely lies in the working
directory is not read: a cloned repository must not be able to send your key to another host.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from .errors import CredentialsError, InvalidArgumentError

PREFIX = "QIANFAN_"


class Settings(BaseModel):
    """Every setting, typed; each is read from the environment as `QIANFAN_` + upper-case name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: str = "https://aip.baidubce.com"
    console_api_base_url: str = "https://qianfan.baidubce.com"
    iam_base_url: str = "https://iam.bj.baidubce.com"
    bos_base_url: str = "https://bj.bcebos.com"
    bos_bucket: str = ""

    api_key: SecretStr = SecretStr("")
    bearer_token: SecretStr = SecretStr("")
    access_key: SecretStr = SecretStr("")
    secret_key: SecretStr = SecretStr("")
    ak: SecretStr = SecretStr("")
    sk: SecretStr = SecretStr("")
    access_token: SecretStr = SecretStr("")
    app_id: str = ""

    openai_base_url: str = ""
    """Any server with OpenAI's API, e.g. http://127.0.0.1:11434/v1; its key is `api_key`."""

    profile: str = ""
    """A named base URL: one of `connect.PROFILES`."""

    model: str = ""
    image_model: str = ""
    embedding_model: str = ""
    rerank_model: str = ""
    """The models that are asked when none is named; "" for the default of the kind."""

    strict_models: bool = False
    """Refuse a retired model instead of asking what replaces it."""

    platform: str = ""
    """`sandbox` forces the sandbox, `qianfan` forbids it; "" uses the sandbox when there is no key."""

    iam_sign_expiration_sec: int = 300
    bearer_token_expired_interval: int = 43200
    qps_limit: float = 0
    rpm_limit: float = 0
    tpm_limit: float = 0
    llm_api_retry_count: int = 3
    llm_api_retry_timeout: float = 600
    console_api_retry_count: int = 3
    console_api_retry_timeout: float = 60
    connect_timeout: float = 5
    first_token_timeout: float = 300
    """Seconds that a stream may be silent before its first piece: long prompts and hidden thinking take long."""

    idle_timeout: float = 120
    """Seconds that a stream may be silent between two pieces; pieces of thinking count."""

    train_status_polling_interval: float = 30
    model_publish_status_polling_interval: float = 30
    deploy_status_polling_interval: float = 30
    batch_run_status_polling_interval: float = 30
    evaluation_online_polling_interval: float = 30
    import_status_polling_interval: float = 2
    release_status_polling_interval: float = 2
    proxy: str = ""
    ssl_verification_enabled: bool = True
    sandbox_idle_minutes: float = 30

    prices: str = ""
    """A CSV or JSON file of your own prices, or JSON itself; they win over the list prices (`wire.own_prices`)."""


@dataclass(frozen=True)
class Credentials:
    """The keys of one account; any of the four kinds may be present.

    Attributes:
        api_key: `bce-v3/ALTAK-...`, for v2 inference.
        access_key, secret_key: the IAM pair, for management and inference.
        ak, sk: an application's pair, for v1 inference.
        access_token: an OAuth token, for v1 inference.
    """

    api_key: SecretStr = SecretStr("")
    access_key: SecretStr = SecretStr("")
    secret_key: SecretStr = SecretStr("")
    ak: SecretStr = SecretStr("")
    sk: SecretStr = SecretStr("")
    access_token: SecretStr = SecretStr("")

    def __post_init__(self) -> None:
        for first, second in (("access_key", "secret_key"), ("ak", "sk")):
            if bool(self.get(first)) != bool(self.get(second)):
                present, absent = (first, second) if self.get(first) else (second, first)
                raise CredentialsError(
                    f"{present} is set and {absent} is not: set both, e.g. {PREFIX}{absent.upper()} (两者须成对设置)"
                )

        if self.api_key.get_secret_value().startswith("ALTAK"):
            raise CredentialsError(
                "api_key holds the access key of an IAM pair (ALTAK...): an API key begins with bce-v3/ALTAK-; set "
                f"{PREFIX}ACCESS_KEY and {PREFIX}SECRET_KEY, or create an API key (密钥种类不对)"
            )
        for name in ("access_key", "ak", "access_token"):
            if self.get(name).startswith("bce-v3/"):
                raise CredentialsError(f"{name} holds an API key (bce-v3/...): set {PREFIX}API_KEY (密钥种类不对)")

    @classmethod
    def of(cls, values: Mapping[str, str | SecretStr | None]) -> Self:
        """Create credentials from plain or secret text; surrounding blanks and quotes are dropped."""
        return cls(**{name: _parse_key(name, value) for name, value in values.items() if value})

    def get(self, name: str) -> str:
        """Return one key in clear text; only authentication calls this."""
        secret: SecretStr = getattr(self, name)
        return secret.get_secret_value()

    def kinds(self) -> tuple[str, ...]:
        """Return which kinds of key are present, without the keys."""
        names = {"api_key": "API key", "access_key": "IAM pair", "ak": "AK/SK", "access_token": "access token"}
        return tuple(text for name, text in names.items() if self.get(name))

    def __bool__(self) -> bool:
        return bool(self.kinds())

    def __iter__(self) -> Iterator[str]:
        """Iterate over the secret texts, so that they can be removed from what is shown."""
        return (value for f in fields(self) if (value := self.get(f.name)))


MODEL_NAMES = ("model", "image_model", "embedding_model", "rerank_model")
KEY_NAMES = tuple(f.name for f in fields(Credentials))


class Config:
    """The settings as users change them: `get_config().ak = "..."`, in upper or lower case."""

    def __init__(self) -> None:
        object.__setattr__(self, "_overrides", {})

    def __getattr__(self, name: str) -> Any:
        if name.lower() not in Settings.model_fields:
            raise AttributeError(f"there is no setting {name!r}")
        return getattr(settings(), name.lower())

    def __setattr__(self, name: str, value: object) -> None:
        if name.lower() not in Settings.model_fields:
            raise InvalidArgumentError(f"there is no setting {name!r}; settings are {', '.join(Settings.model_fields)}")
        self._overrides[name.lower()] = value

    def __delattr__(self, name: str) -> None:
        self._overrides.pop(name.lower(), None)

    def __repr__(self) -> str:
        names = ", ".join(sorted(self._overrides)) or "nothing"
        return f"<qfnb config: {names} set by hand, the rest from the environment>"


_config = Config()


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
    inputs = _environment(), dict(_config._overrides)  # noqa: SLF001 - the object is this module's own
    if _cached_settings is None or _cached_settings[0] != inputs:
        if _dotenv_name():
            return _read_settings()  # changes of a file are not noticed
        _cached_settings = inputs, _read_settings()
    return _cached_settings[1]


_cached_settings: tuple[Any, Settings] | None = None


def _environment() -> dict[Any, Any]:
    """Return the environment as bytes: comparing it takes microseconds, decoding it half of a call's time."""
    return dict(getattr(os.environ, "_data", os.environ))


def _read_settings() -> Settings:
    values: dict[str, Any] = {}
    for source in (_dotenv(), os.environ):
        values |= {
            name: source[PREFIX + name.upper()]
            for name in Settings.model_fields
            if source.get(PREFIX + name.upper(), "") != ""
        }
    values |= _config._overrides  # noqa: SLF001 - the object is this module's own
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise InvalidArgumentError(_format_error(error)) from None


def credentials(current_settings: Settings | None = None) -> Credentials:
    """Return the keys that the settings hold."""
    global _cached_credentials
    current = current_settings or settings()
    if _cached_credentials is None or _cached_credentials[0] is not current:
        values = {name: getattr(current, name) for name in KEY_NAMES}
        api_key = current.api_key.get_secret_value() or current.bearer_token.get_secret_value()
        keys = Credentials.of({**values, "api_key": api_key})
        _cached_credentials = current, keys
    return _cached_credentials[1]


_cached_credentials: tuple[Settings, Credentials] | None = None


def state_dir() -> Path:
    """Return the folder of the user's qfnb state, or `QFNB_STATE_DIR`; created if missing, with mode 0700."""
    if configured := os.environ.get("QFNB_STATE_DIR"):
        path = Path(configured).expanduser().absolute()
    else:
        import platformdirs  # noqa: PLC0415 - only when the folder is needed

        path = Path(platformdirs.user_state_dir("qfnb", appauthor=False)).absolute()
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


def sources() -> dict[str, str]:
    """Return where each key comes from, {"access_key": "environment", ...}, without the keys."""
    sources_: dict[str, str] = {}
    for name in (*KEY_NAMES, "bearer_token"):
        variable = PREFIX + name.upper()
        if name in _config._overrides:  # noqa: SLF001
            sources_[name] = "get_config()"
        elif os.environ.get(variable):
            sources_[name] = f"environment {variable}"
        elif _dotenv().get(variable):
            sources_[name] = f"file {os.environ.get(PREFIX + 'DOT_ENV_CONFIG_FILE', '')}"
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
            f"{PREFIX}DOT_ENV_CONFIG_FILE={name}: cannot be read: {type(error).__name__}"
        ) from None
    pairs = (line.removeprefix("export ").split("=", 1) for line in map(str.strip, lines) if "=" in line)
    return {key.strip(): value.strip().strip("\"'") for key, value in pairs if not key.startswith("#")}


def _parse_key(name: str, value: str | SecretStr) -> SecretStr:
    if not isinstance(value, str | SecretStr):
        raise CredentialsError(f"{name} is a {type(value).__name__}: must be a text")
    text = (value if isinstance(value, str) else value.get_secret_value()).strip().strip("\"'“”‘’")
    text = text.removeprefix("Bearer ").strip()
    if not text.isascii() or not text.isprintable() or " " in text:
        raise CredentialsError(
            f"{name} contains characters that no key has (blank, line break or non-ASCII): copy it again "
            f"(密钥中有多余字符，请重新复制)"
        )
    return SecretStr(text)


def _format_error(error: ValidationError) -> str:
    first_error = error.errors(include_input=False, include_url=False)[0]
    name = str(first_error["loc"][0])
    return f"{PREFIX}{name.upper()} (or get_config().{name}): {first_error['msg']}"
