"""The official SDK's names in qfnb, each with what it does over HTTP."""

import importlib
import logging

import pytest

import qfnb
from qfnb.compat.import_hook import NAMES
from qfnb.config import get_config
from qfnb.errors import CredentialsError, InvalidArgumentError

QUESTION = [{"role": "user", "content": "你好"}]
ROWS = [
    (path, origin, name)
    for path, row in NAMES.items()
    for origin, names in row.items()
    for name in names.split()
]


@pytest.fixture
def settings():
    """The settings object, as it was at the end."""
    with get_config().unset():
        yield get_config()


def test_every_path_of_the_table_can_be_imported():
    for path in filter(None, NAMES):
        module = importlib.import_module(f"qfnb.{path}")
        names = {name.partition("=")[0] for name in " ".join(NAMES[path].values()).split()}
        assert names - set(module.__all__) == set(), path


def test_every_name_of_the_table_is_what_it_says():
    for path, origin, name in ROWS:
        theirs, _, ours = name.partition("=")
        module, target = (
            importlib.import_module(f"qfnb.{part}".rstrip(".")) for part in (path, origin)
        )
        assert getattr(module, theirs) is getattr(target, ours or theirs), (path, name)


def test_a_path_that_nobody_has_is_not_found():
    with pytest.raises(ModuleNotFoundError, match=r"qfnb\.resources\.nonsense"):
        importlib.import_module("qfnb.resources.nonsense")
    with pytest.raises(AttributeError, match="nonsense"):
        importlib.import_module("qfnb.resources.console.data").nonsense  # noqa: B018


def test_tab_offers_the_names():
    assert {"QfMessages", "ChatCompletion"} <= set(dir(qfnb))
    assert {"AccessTokenExpiredError", "APIError"} <= set(
        dir(importlib.import_module("qfnb.errors"))
    )
    assert "Prompt" in dir(importlib.import_module("qfnb.common"))


def test_modules_of_qfnb_keep_their_source():
    module = importlib.import_module("qfnb.errors")
    assert "class QianfanError" in module.__loader__.get_source("qfnb.errors")


def test_keys_are_set_by_functions(settings):
    qfnb.AK("ak-test")
    qfnb.SK("sk-test")
    qfnb.AccessKey("access-test")
    qfnb.SecretKey("secret-test")
    qfnb.AccessToken("token-test")
    names = ("ak", "sk", "access_key", "secret_key", "access_token")
    values = [getattr(settings, name).get_secret_value() for name in names]
    assert values == ["ak-test", "sk-test", "access-test", "secret-test", "token-test"]


def test_log_lines_go_on_and_off():
    logger = logging.getLogger("qfnb")
    level = logger.level
    try:
        qfnb.enable_log("INFO")
        assert logger.isEnabledFor(logging.INFO)
        qfnb.disable_log()
        assert not logger.isEnabledFor(logging.ERROR)
    finally:
        logger.setLevel(level)


def test_models_are_listed_on_the_class_and_described():
    assert qfnb.ChatCompletion.models() == qfnb.ChatCompletion().models()
    assert "ernie-4.5-turbo-128k" in qfnb.ChatCompletion.models()
    info = qfnb.ChatCompletion().get_model_info("ERNIE-Speed-8K")
    assert (info.deprecated, info.required_keys, info.api_type) == (True, {"messages"}, "chat")
    assert (
        qfnb.ChatCompletion().get_model_info("ernie-4.5-turbo-128k").output_price_per_1k_tokens > 0
    )


def test_a_model_that_the_catalogue_does_not_have_is_an_error():
    with pytest.raises(InvalidArgumentError, match=r"ernie-4\.5-turbo-128k"):
        qfnb.ChatCompletion().get_model_info("ernie-4.5-turbo-128")


def test_an_access_token_comes_from_the_platform(account):
    token = qfnb.ChatCompletion(ak=account.ak, sk=account.sk).access_token()
    assert qfnb.ChatCompletion(access_token=token, version=1).do(QUESTION)["result"]
    with pytest.raises(CredentialsError, match="AK/SK"):
        qfnb.ChatCompletion(api_key=account.api_key).access_token()


@pytest.mark.usefixtures("account")
def test_a_bearer_token_comes_from_the_platform():
    reply = importlib.import_module("qfnb.resources.console.iam").IAM.create_bearer_token(60)
    assert qfnb.ChatCompletion(api_key=reply["token"]).do(QUESTION).text
