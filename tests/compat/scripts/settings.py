import qianfan

WHO = [{"role": "user", "content": "你是谁"}]

# %% a setting is set and read
config = qianfan.get_config()
before = qianfan.get_config().AUTH_TIMEOUT
config.AUTH_TIMEOUT = 7.5
values = [config.AUTH_TIMEOUT, qianfan.get_config().AUTH_TIMEOUT]
config.AUTH_TIMEOUT = before
values

# %% a setting is unset
config = qianfan.get_config()
config.APP_ID = "app-1"
before = config.APP_ID
config.APP_ID = None
[before, not config.APP_ID]

# %% defaults of settings
config = qianfan.get_config()
[
    config.LLM_API_RETRY_COUNT,
    config.LLM_API_RETRY_TIMEOUT,
    config.IAM_SIGN_EXPIRATION_SEC,
    config.QPS_LIMIT,
    config.ENABLE_PRIVATE,
    config.SSL_VERIFICATION_ENABLED,
]

# %% keys by functions
config = qianfan.get_config()
before = (qianfan.get_config().AK, qianfan.get_config().SK)
qianfan.AK("fake-ak")
qianfan.SK("fake-sk")
changed = [config.AK != before[0], config.SK != before[1]]
config.AK, config.SK = before
changed

# %% the log is switched
import logging

qianfan.enable_log()
qianfan.enable_log(logging.DEBUG)
qianfan.enable_log("WARNING")
qianfan.disable_log()

# %% an empty conversation
from qianfan.errors import QianfanError

try:
    qianfan.ChatCompletion().do(messages=[])
except QianfanError:
    result = "refused"
result

# %% a model that nobody has
from qianfan.errors import QianfanError

try:
    qianfan.ChatCompletion(model="none-such-model", version="2").do(messages=WHO, retry_count=1)
except QianfanError as error:
    result = "refused"
result

# %% classes of errors
from qianfan import errors

[
    issubclass(getattr(errors, name), errors.QianfanError)
    for name in (
        "APIError",
        "RequestError",
        "InvalidArgumentError",
        "ArgumentNotFoundError",
        "RequestTimeoutError",
        "AccessTokenExpiredError",
    )
]

# %% a refusal of the management
from qianfan.errors import QianfanError
from qianfan.resources import Data

try:
    Data.get_dataset_info("ds-none")
except QianfanError as error:
    result = "does not exist" in str(error)
result

# %% codes of errors
from qianfan.consts import APIErrorCode

[
    APIErrorCode.ServerHighLoad.value,
    APIErrorCode.QPSLimitReached.value,
    APIErrorCode(336100).name,
    APIErrorCode.APITokenExpired.value,
]

# %% constants of the package
from qianfan.consts import Consts, DefaultValue, Env, PromptSceneType

[PromptSceneType.Text2Text.value, Consts.ChatV2API, DefaultValue.BaseURL, Env.AK, Env.AccessKey]

# %% constants of the management
from qianfan.resources.console import consts

[
    consts.DataTemplateType.NonSortedConversation.value,
    consts.DataSetType.TextOnly.value,
    consts.DataStorageType.PublicBos.value,
    consts.DataExportDestinationType.PrivateBos.value,
    consts.TrainMode.SFT.value,
    consts.DeployPoolType.PrivateResource.value,
]

# %% states of the management
from qianfan.resources.console import consts

[
    consts.DataReleaseStatus.Finished.value,
    consts.DataImportStatus.Finished.value,
    consts.DataExportStatus.Finished.value,
    consts.TrainStatus.Finish.value,
    consts.ServiceStatus.Done.value,
    consts.ETLTaskStatus.Finished.value,
    consts.EvaluationTaskStatus.Done.value,
]

# %% a key for one object
from qianfan.errors import QianfanError

try:
    qianfan.ChatCompletion(access_key="ALTAKfake", secret_key="wrong").do(messages=WHO, retry_count=1)
except QianfanError:
    result = "refused"
result

# %% an error's code and message
from qianfan.errors import APIError

error = APIError(336003, "messages must not be empty", "req-1")
[error.error_code, error.error_msg, error.req_id, "336003" in str(error)]
