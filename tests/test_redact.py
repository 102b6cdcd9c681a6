"""No key is shown, not even one that a server echoes."""

import linecache

import pytest
from support.scripted_server import http_answer

import qfnb
from qfnb import errors, redact

SECRET = "my-own.KEY/with+odd=signs"


def rendered(error):
    """Return all texts of an error."""
    return f"{error} {error.args!r} {vars(error)!r}"


@pytest.mark.parametrize(
    "body",
    [
        '{"error": {"code": "invalid_api_key", "message": "key KEY is wrong"}}',
        '{"error": {"code": "KEY", "message": "wrong"}, "id": "KEY"}',
        '{"error": "KEY", "error_description": "KEY"}',
        "<p>who is KEY?</p>",
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_key_that_the_server_echoes_is_not_in_the_error(scripted, body, stream):
    server = scripted(
        [http_answer(body.replace("KEY", SECRET).encode(), status="401 Unauthorized")]
    )
    chat = qfnb.ChatCompletion(base_url=f"{server.url}/v1", api_key=SECRET, model="m")
    with pytest.raises(errors.QianfanError) as caught:
        list(chat.do("x", stream=True)) if stream else chat.do("x")
    assert SECRET in server.requests[0].decode()
    assert SECRET not in rendered(caught.value)
    assert "***" in rendered(caught.value)


def test_a_url_quoted_key_is_hidden_too():
    redact.register_secret(SECRET)
    assert redact.redact("at /x?k=my-own.KEY%2Fwith%2Bodd%3Dsigns!") == "at /x?k=***!"


def test_the_longest_key_is_replaced_first():
    redact.register_secret("abcdef-1")
    redact.register_secret("abcdef-1-and-more")
    assert redact.redact("abcdef-1-and-more abcdef-1") == "*** ***"


def test_a_key_of_which_a_part_is_in_use_is_hidden_whole():
    redact.register_secret("hgfedcba/fedcba9876543210")
    assert redact.redact("bce-v3/ALTAK-hgfedcba/fedcba98765432100123") == "bce-v3/***"


@pytest.mark.parametrize(
    "typed", ["bce-v3/ALTAK-cut", "bce-v3/ALTAK-cut/0123456789", "longword-of"]
)
def test_what_a_key_in_use_is_the_beginning_of_is_hidden_to_its_end(typed):
    redact.register_secret(typed)
    whole = {"l": "longword-of-a-password9"}.get(
        typed[0], "bce-v3/ALTAK-cut/0123456789abcdef01234567"
    )
    assert redact.redact(f"sent '{whole}', refused") == "sent '***', refused"


def test_short_texts_are_not_secrets():
    redact.register_secret("none")
    redact.register_secret("ollama")
    assert redact.redact("none of it, ollama") == "none of it, ollama"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("key sk-proj_AB12-cdef3456 错误", "key sk-*** 错误"),
        ("密钥sk-AB12cdef3456无效", "密钥sk-***无效"),
        ("risk-management and a task-specific", "risk-management and a task-specific"),
    ],
)
def test_keys_of_the_common_form_are_recognised(text, clean):
    assert redact.redact(text) == clean


@pytest.mark.parametrize("name", ["api_key", "ak", "secret_key", "access_token"])
def test_the_line_of_the_cell_is_shown_without_its_key(name):
    source = f'ask({name}="key-of-nobody-0123", say="你好")\n'
    file = "<ipython-input-1-test>"
    linecache.cache[file] = (len(source), None, [source], file)

    def ask(**_):
        raise errors.InvalidArgumentError("wrong")

    with pytest.raises(errors.InvalidArgumentError) as caught:
        exec(compile(source, file, "exec"), {"ask": ask})
    traceback_text = "\n".join(caught.value._render_traceback_())
    assert f"cell line 1: ask({name}=" in traceback_text
    assert "你好" in traceback_text
    assert "nobody" not in traceback_text


def test_a_notebook_shows_an_error_without_terminal_escapes():
    shown = "".join(
        errors.APIError("x", "\x1b[31mred\x1b]8;;http://a.example\x07 link")._render_traceback_()
    )
    assert "red link" in shown
    assert "\x1b" not in shown
