"""Where settings and keys come from, and that keys stay hidden."""

import pytest

from qfnb import config, connect, errors
from qfnb.config import Credentials

KEY = "bce-v3/ALTAK-test/canary0123456789"


@pytest.mark.fault("F48")
def test_the_environment_is_read_at_each_use(monkeypatch):
    monkeypatch.setenv("QIANFAN_API_KEY", KEY)
    assert config.credentials().get("api_key") == KEY
    monkeypatch.delenv("QIANFAN_API_KEY")
    assert not config.credentials()


def test_an_attribute_wins_over_the_environment(monkeypatch):
    monkeypatch.setenv("QIANFAN_IDLE_TIMEOUT", "7")
    config.get_config().IDLE_TIMEOUT = 9
    assert config.get_config().idle_timeout == 9


def test_none_forgets_an_attribute(monkeypatch):
    monkeypatch.setenv("QIANFAN_MODEL", "from-the-environment")
    config.get_config().MODEL = "by-hand"
    config.get_config().MODEL = None
    assert config.settings().model == "from-the-environment"


@pytest.mark.fault("F49")
def test_a_file_is_read_only_when_it_is_named(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(f"QIANFAN_API_KEY={KEY}\n", encoding="utf-8")
    assert not config.credentials()
    monkeypatch.setenv("QIANFAN_DOT_ENV_CONFIG_FILE", str(tmp_path / ".env"))
    assert config.credentials().get("api_key") == KEY


def test_a_bad_value_names_its_variable(monkeypatch):
    monkeypatch.setenv("QIANFAN_IDLE_TIMEOUT", "soon")
    with pytest.raises(errors.InvalidArgumentError, match="QIANFAN_IDLE_TIMEOUT"):
        config.settings()


def test_an_unknown_setting_is_refused():
    with pytest.raises(errors.InvalidArgumentError, match="nonsense"):
        config.get_config().nonsense = 1


@pytest.mark.fault("F38")
@pytest.mark.parametrize("text", [f" {KEY} ", f'"{KEY}"', f"Bearer {KEY}", f"“{KEY}”"])
def test_a_pasted_key_is_cleaned(text):
    assert Credentials.of({"api_key": text}).get("api_key") == KEY


@pytest.mark.fault("F38")
@pytest.mark.parametrize("text", ["abc\ndef", "ab cd", "ａｂｃ"])
def test_a_malformed_key_is_refused_without_showing_it(text):
    with pytest.raises(errors.CredentialsError) as caught:
        Credentials.of({"api_key": text})
    assert text not in str(caught.value)


@pytest.mark.parametrize(
    ("present", "absent"), [("ak", "sk"), ("sk", "ak"), ("access_key", "secret_key")]
)
def test_half_a_pair_names_the_other_half(present, absent):
    with pytest.raises(errors.CredentialsError, match=f"QIANFAN_{absent.upper()}"):
        Credentials.of({present: "x"})


@pytest.mark.parametrize(
    ("keys", "tail"),
    [
        ({"api_key": "bce-v3/ALTAK-testAbCdEf012345/secret0123456789"}, "***012345"),
        ({"access_key": "ALTAKtest0123456789", "secret_key": "secret"}, "***456789"),
        ({"ak": "test0123456789abcdefabcd", "sk": "secret"}, "***efabcd"),
        ({"api_key": "sk-test0123456789abcdefghij"}, "***ghij"),
        ({"api_key": "sk-short"}, "***"),
        ({"access_token": "24.test.0123456789"}, "***"),
        ({}, ""),
    ],
)
def test_of_a_key_only_the_end_of_its_public_id_is_shown(keys, tail):
    assert Credentials.of(keys).tail == tail


def test_without_a_key_the_sandbox_is_used(sandbox):
    assert connect.current_platform().name == "sandbox"
    assert connect.platform_info().name == "sandbox"


def test_with_a_key_the_cloud_is_used(monkeypatch):
    monkeypatch.setenv("QIANFAN_API_KEY", KEY)
    assert connect.platform_info().name == "qianfan"
    assert connect.platform_info().sources == {"api_key": "environment QIANFAN_API_KEY"}


@pytest.mark.fault("F37")
def test_the_cloud_without_a_key_is_an_error_with_a_hint(monkeypatch):
    monkeypatch.setenv("QIANFAN_PLATFORM", "qianfan")
    with pytest.raises(errors.CredentialsError, match="%qfauth"):
        connect.client()


def test_a_platform_that_does_not_exist_is_refused(monkeypatch):
    monkeypatch.setenv("QIANFAN_PLATFORM", "moon")
    with pytest.raises(errors.InvalidArgumentError, match="moon"):
        connect.client()


def test_a_key_that_is_no_text_is_refused_without_its_value():
    with pytest.raises(errors.CredentialsError, match="api_key is a int: it must be a string"):
        Credentials.of({"api_key": 57})
