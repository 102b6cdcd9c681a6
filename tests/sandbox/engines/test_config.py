"""Which engine a sandbox runs: configured once, stored, and refused before anything starts if it is
wrong.
"""

import pytest

from qfnb import cli, errors
from qfnb.sandbox import ensure, find, process, stop
from qfnb.wire import sandbox as config
from qfnb.wire.sandbox import EngineConfig

URL = "http://127.0.0.1:9/v1"


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("QFNB_STATE_DIR", str(tmp_path))
    yield tmp_path / "sandbox"
    stop(tmp_path / "sandbox")


def test_the_same_sandbox_comes_back_with_the_same_engine(home):
    ensure(home, engine={"engine": "upstream", "upstream_url": URL, "upstream_model": "qwen"})
    stop(home)
    health = process.control_call(ensure(home), "GET", "/_sandbox/health")
    assert health["engine"]["label"] == "upstream qwen, not ERNIE"
    assert config.load_config(home).upstream_model == "qwen"


def test_options_win_over_the_environment_and_that_over_the_file(tmp_path, monkeypatch):
    config.save_config(tmp_path, EngineConfig("upstream", URL, "kept"))
    assert config.resolve_config(tmp_path).upstream_model == "kept"
    monkeypatch.setenv("QFNB_SANDBOX_UPSTREAM_MODEL", "surroundings")
    assert config.resolve_config(tmp_path).upstream_model == "surroundings"
    assert config.resolve_config(tmp_path, {"upstream_model": "given"}).upstream_model == "given"
    assert config.resolve_config(tmp_path, {"engine": "builtin"}) == EngineConfig()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"engine": "magic"}, "builtin, upstream"),
        ({"engine": "upstream"}, "must look like http://"),
        (
            {"engine": "upstream", "upstream_url": "https://me:secret@x/v1"},
            "must look like http://",
        ),
        (
            {"engine": "upstream", "upstream_url": "http://x.example/v1", "upstream_key": "k"},
            "over https",
        ),
        ({"engine": "upstream", "upstream_url": URL, "upstream_key": "钥匙"}, "no key has"),
        ({"engine": "upstream", "upstream_url": URL, "upstream_timeout": "soon"}, "a number"),
        ({"engine": "upstream", "upstream_url": URL, "upstream_map": "a"}, "NAME=MODEL"),
        ({"upstream_url": URL}, "belongs to engine upstream"),
    ],
)
def test_a_wrong_option_is_refused_with_what_is_allowed(tmp_path, given, said):
    with pytest.raises(errors.InvalidArgumentError, match=said) as caught:
        config.resolve_config(tmp_path, given)
    assert "QFNB_SANDBOX_" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_wrong_configuration_starts_nothing(home, capsys):
    assert cli.main(["sandbox", "start", "--engine", "magic"]) == 2
    assert "builtin, upstream" in capsys.readouterr().err
    assert not home.exists()


def test_a_running_sandbox_does_not_change_its_engine(home, capsys):
    assert cli.main(["sandbox", "start"]) == 0
    assert cli.main(["sandbox", "start", "--engine", "builtin"]) == 0
    assert cli.main(["sandbox", "start", "--engine", "upstream", "--upstream-url", URL]) == 1
    assert "qfnb sandbox stop" in capsys.readouterr().err
    assert find(home) is not None


def test_the_command_line_asks_for_a_key_and_status_says_which_engine(home, capsys, monkeypatch):
    monkeypatch.setattr("getpass.getpass", lambda prompt: "sk-canary")
    options = [
        "--engine",
        "upstream",
        "--upstream-url",
        URL,
        "--upstream-model",
        "qwen",
        "--ask-key",
    ]
    assert cli.main(["sandbox", "start", *options]) == 0
    assert cli.main(["sandbox", "status"]) == 0
    output = capsys.readouterr().out
    assert "Answers: upstream qwen, not ERNIE\nTrains with: qfnb local model" in output
    assert config.load_config(home).upstream_key.get_secret_value() == "sk-canary"
    assert "sk-canary" not in output + repr(config.load_config(home))
