"""Keys that last: in the keyring, for one platform, where no other key is set; shown nowhere."""

from __future__ import annotations

import subprocess
import sys
import types

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends import fail
from keyring.errors import KeyringLocked

from qfnb import cli, config, connect, doctor, errors
from qfnb.notebook import auth
from qfnb.views import home

KEY = "bce-v3/ALTAK-test/canary0123456789"


class MemoryKeyring(KeyringBackend):
    """A keyring in memory, by keyring's own interface."""

    priority = 5
    name = "memory"

    def __init__(self):
        super().__init__()
        self.entries = {}
        self.is_locked = False

    def get_password(self, service, username):
        if self.is_locked:
            raise KeyringLocked(f"locked, {self.entries}")
        return self.entries.get((service, username))

    def set_password(self, service, username, password):
        if self.is_locked:
            raise KeyringLocked(f"locked, {password}")
        self.entries[service, username] = password

    def delete_password(self, service, username):
        del self.entries[service, username]


@pytest.fixture
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("QFNB_STATE_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def memory(state):
    earlier = keyring.get_keyring()
    backend = MemoryKeyring()
    keyring.set_keyring(backend)
    yield backend
    keyring.set_keyring(earlier)


@pytest.fixture
def keep(monkeypatch, capsys):
    """Return a function that types a key into `%qfauth set --keep`, as another kernel; it returns
    what is shown.
    """

    def type_key(key=KEY, line="set --keep"):
        monkeypatch.setattr("getpass.getpass", lambda _: key)
        try:
            auth.AuthMagics(None).qfauth(line)
        finally:
            config.get_config()._overrides.clear()
        return capsys.readouterr().out

    return type_key


def test_a_kept_key_is_used_by_the_next_kernel_and_shown_by_none(memory, keep, state):
    output = keep()
    assert "kept in memory" in output
    assert config.credentials().get("api_key") == KEY
    assert config.sources() == {"api_key": "keyring"}
    shown = (
        output
        + home.access_bundle(auth.describe_access())["text/html"]
        + doctor.report(doctor.examine(reach=False))
    )
    stored = "".join(path.read_text("utf-8") for path in state.iterdir() if path.is_file())
    assert "canary" not in shown + stored + repr(config.settings())


def test_keys_of_elsewhere_win_and_are_never_mixed_with_kept_ones(memory, keep, monkeypatch):
    keep()
    monkeypatch.setenv("QIANFAN_ACCESS_KEY", "ALTAKtest0123456789")
    monkeypatch.setenv("QIANFAN_SECRET_KEY", "canary0123456789")
    assert config.credentials().kinds() == ("IAM pair",)
    monkeypatch.delenv("QIANFAN_ACCESS_KEY")
    monkeypatch.delenv("QIANFAN_SECRET_KEY")
    config.get_config().api_key = "bce-v3/ALTAK-test/typed0123456789"
    assert config.sources() == {"api_key": "get_config()"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("QIANFAN_CONSOLE_API_BASE_URL", "http://127.0.0.1:9"),
        ("QIANFAN_BASE_URL", "http://127.0.0.1:9"),
        ("QIANFAN_OPENAI_BASE_URL", "http://127.0.0.1:9/v1"),
        ("QIANFAN_PROFILE", "coding"),
        ("QIANFAN_PLATFORM", "sandbox"),
    ],
)
def test_a_key_goes_to_the_platform_only_that_it_was_kept_for(
    memory, keep, monkeypatch, name, value
):
    keep()
    monkeypatch.setenv(name, value)
    assert not config.credentials()
    monkeypatch.delenv(name)
    assert config.credentials().get("api_key") == KEY


def test_an_iam_pair_is_kept_and_forgotten_as_one(memory, keep, monkeypatch):
    answers = iter(["ALTAKtest0123456789", "canary0123456789"])
    monkeypatch.setattr("getpass.getpass", lambda _: next(answers))
    auth.AuthMagics(None).qfauth("set --iam --keep")
    config.get_config()._overrides.clear()
    assert config.credentials().kinds() == ("IAM pair",)
    assert config.forget_kept_keys() == 2
    assert not memory.entries
    assert connect.platform_info().name == "sandbox"


def test_forget_says_how_many(memory, keep, capsys):
    keep()
    auth.AuthMagics(None).qfauth("forget")
    assert "1 key was deleted" in capsys.readouterr().out
    assert not config.credentials()
    assert config.forget_kept_keys() == 0


def test_the_keyring_is_not_loaded_before_a_key_was_kept(state):
    assert config.credentials().kinds() == ()
    code = "import sys, qfnb.config as c; c.credentials(); assert 'keyring' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_a_keyring_it_says_what_to_do_and_the_key_works_until_the_end(state, monkeypatch):
    monkeypatch.setattr("getpass.getpass", lambda _: KEY)
    monkeypatch.setattr(keyring, "get_keyring", fail.Keyring)
    with pytest.raises(
        errors.CredentialsError, match=r"no keyring.*QIANFAN_DOT_ENV_CONFIG_FILE"
    ) as raised:
        auth.AuthMagics(None).qfauth("set --keep")
    assert "until this kernel ends" in str(raised.value)
    assert config.credentials().get("api_key") == KEY
    assert not (state / config.FILE_NAME).exists()


def test_without_the_package_it_says_what_to_install(state, monkeypatch):
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(errors.CredentialsError, match=r"pip install 'qfnb\[keyring\]'"):
        config.keep_keys({"api_key": config.Secret(KEY)})


def test_a_locked_keyring_is_an_error_without_the_key_and_not_the_sandbox(memory, keep, capsys):
    keep()
    memory.is_locked = True
    config.get_config().qps_limit = 1  # settings are read anew
    with pytest.raises(errors.CredentialsError, match=r"KeyringLocked.*qfauth forget") as raised:
        connect.platform_info()
    assert (raised.value.__context__, raised.value.__cause__) == (None, None)
    assert cli.main(["doctor", "--offline"]) == 1
    assert "canary" not in capsys.readouterr().out + str(raised.value)
    with pytest.raises(errors.CredentialsError, match=r"does not take the key") as refused:
        config.keep_keys({"api_key": config.Secret(KEY)})
    assert "canary" not in str(refused.value)


def test_colabs_secrets_are_used_and_not_written(state, monkeypatch):
    def get(name):
        if name == "QIANFAN_API_KEY":
            return KEY
        raise KeyError(name)

    monkeypatch.setitem(
        sys.modules, "google.colab", types.SimpleNamespace(userdata=types.SimpleNamespace(get=get))
    )
    monkeypatch.setattr(config, "_colab_keys", None)
    assert config.credentials(config._read_settings()).get("api_key") == KEY
    assert config.sources() == {"api_key": "Colab secrets"}
    with pytest.raises(errors.CredentialsError, match=r"Colab keeps keys itself.*QIANFAN_API_KEY"):
        config.keep_keys({"api_key": config.Secret(KEY)})
