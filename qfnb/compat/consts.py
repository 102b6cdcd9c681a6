"""Error codes, environment variables, paths and defaults under the official SDK's names."""

from enum import IntEnum


class APIErrorCode(IntEnum):
    """A code of `APIError.error_code`, in v1 and in management."""

    NoError = 0
    UnknownError = 1
    ServiceUnavailable = 2
    UnsupportedMethod = 3
    RequestLimitReached = 4
    NoPermissionToAccessData = 6
    GetServiceTokenFailed = 13
    IAMCertificationFailed = 14
    AppNotExist = 15
    DailyLimitReached = 17
    QPSLimitReached = 18
    TotalRequestLimitReached = 19
    InvalidRequest = 100
    APITokenInvalid = 110
    APITokenExpired = 111
    InternalError = 336000
    InvalidArgument = 336001
    InvalidJSON = 336002
    InvalidParam = 336003
    PermissionError = 336004
    APINameNotExist = 336005
    ServerHighLoad = 336100
    InvalidHTTPMethod = 336101
    InvalidArgumentSystem = 336104
    InvalidArgumentUserSetting = 336105
    RPMLimitReached = 336501
    TPMLimitReached = 336502
    ConsoleInternalError = 500000


class Env:
    """Names of environment variables."""

    AK = "QIANFAN_AK"
    SK = "QIANFAN_SK"
    AccessKey = "QIANFAN_ACCESS_KEY"
    SecretKey = "QIANFAN_SECRET_KEY"
    AccessToken = "QIANFAN_ACCESS_TOKEN"
    BaseURL = "QIANFAN_BASE_URL"
    ConsoleAPIBaseURL = "QIANFAN_CONSOLE_API_BASE_URL"
    IAMBaseURL = "QIANFAN_IAM_BASE_URL"
    IAMSignExpirationSeconds = "QIANFAN_IAM_SIGN_EXPIRATION_SEC"
    QpsLimit = "QIANFAN_QPS_LIMIT"
    RpmLimit = "QIANFAN_RPM_LIMIT"
    TpmLimit = "QIANFAN_TPM_LIMIT"
    DotEnvConfigFile = "QIANFAN_DOT_ENV_CONFIG_FILE"
    ImportStatusPollingInterval = "QIANFAN_IMPORT_STATUS_POLLING_INTERVAL"
    ReleaseStatusPollingInterval = "QIANFAN_RELEASE_STATUS_POLLING_INTERVAL"
    RetryCount = "QIANFAN_LLM_API_RETRY_COUNT"
    RetryTimeout = "QIANFAN_LLM_API_RETRY_TIMEOUT"
    RetryBackoffFactor = "QIANFAN_LLM_API_RETRY_BACKOFF_FACTOR"
    ConsoleRetryCount = "QIANFAN_CONSOLE_API_RETRY_COUNT"
    ConsoleRetryTimeout = "QIANFAN_CONSOLE_API_RETRY_TIMEOUT"
    SSLVerificationEnabled = "QIANFAN_SSL_VERIFICATION_ENABLED"
    Proxy = "QIANFAN_PROXY"
    AuthTimeout = "QIANFAN_AUTH_TIMEOUT"


class Consts:
    """Paths of the API; `qfnb.wire` has them all, with what is sent and answered."""

    ModelAPIPrefix = "/rpc/2.0/ai_custom/v1/wenxinworkshop"
    ChatV2API = "/v2/chat/completions"
    AuthAPI = "/oauth/2.0/token"
    IAMBearerTokenAPI = "/v1/BCE-BEARER/token"
    EBTokenizerAPI = "/rpc/2.0/ai_custom/v1/wenxinworkshop/tokenizer/erniebot"
    XResponseID = "X-Baidu-Request-Id"


class DefaultValue:
    """Defaults of settings that are the same here; `get_config()` has all."""

    BaseURL = "https://aip.baidubce.com"
    ConsoleAPIBaseURL = "https://qianfan.baidubce.com"
    IAMBaseURL = "https://iam.bj.baidubce.com"
    IAMSignExpirationSeconds = 300
    BearerTokenExpiredInterval = 43200
    RetryCount = 3
    ConsoleRetryTimeout = 60
    QpsLimit = 0
    RpmLimit = 0
    TpmLimit = 0
    ImportStatusPollingInterval = 2
    ReleaseStatusPollingInterval = 2
    TrainStatusPollingInterval = 30
    ModelPublishStatusPollingInterval = 30
    BatchRunStatusPollingInterval = 30
    DeployStatusPollingInterval = 30
    EvaluationOnlinePollingInterval = 30
    SSLVerificationEnabled = True
    AuthTimeout = 5
