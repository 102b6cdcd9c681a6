"""The settings: name, type, default and meaning of each."""

from pydantic import BaseModel, ConfigDict, field_validator

from .credentials import NO_SECRET, Secret, secret_in_address

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

    share_rate_limits: bool = True
    """Share the limits of a key and model between your processes, by a file in the state folder."""

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
    """A CSV or JSON file of your own prices, or JSON itself; they win over the list prices
    (`wire.own_prices`).
    """
