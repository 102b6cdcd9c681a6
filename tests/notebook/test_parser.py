"""The options of magics: split as a shell does it, the remaining text unchanged."""

import pytest
from hypothesis import given, strategies as st
from support.service_sandbox import run_service_sandbox

from qfnb import errors
from qfnb.notebook.evaluate_inputs import resolve_models
from qfnb.notebook.parser import MagicOption, Parser
from qfnb.notebook.trainings import find_endpoint, find_service, only_training, resolve_endpoint
from qfnb.notebook.verb_magic import VerbParser
from qfnb.trainer.run_store import RunRecord


@pytest.fixture(scope="module")
def parser():
    options = [
        MagicOption("", "--model", "NAME", "-m"),
        MagicOption("", "--temperature", "X", "-t"),
        MagicOption("", "--reset"),
        MagicOption("", "--save", "FOLDER", const="pictures"),
    ]
    return Parser("%%x", "Does x.", "  %%x", options)


@pytest.mark.parametrize(
    ("line", "model", "remaining"),
    [
        ("", None, ""),
        ("-m a", "a", ""),
        ("--model=a b c", "a", "b c"),
        ('-m "a b" c  d', "a b", "c  d"),
        ("-m 'a\"b' x", 'a"b', "x"),
        ("--reset -m a 你好 {x} $y", "a", "你好 {x} $y"),
        ("你好 -m a", None, "你好 -m a"),
        ("-m a it's", "a", "it's"),
        ("-m a\\b x", "a\\b", "x"),
    ],
)
def test_options_come_first_and_the_rest_is_verbatim(parser, line, model, remaining):
    options, text = parser.parse_line(line)
    assert (options.model, text) == (model, remaining)


@pytest.mark.parametrize(
    ("line", "folder", "remaining"),
    [
        ("--save --reset", "pictures", ""),
        ("--save=here 猫", "here", "猫"),
        ("--save here", "here", ""),
    ],
)
def test_an_option_may_lack_its_value(parser, line, folder, remaining):
    options, text = parser.parse_line(line)
    assert (options.save, text) == (folder, remaining)


@given(text=st.text(max_size=40).map(str.strip).filter(lambda t: t and not t.startswith("-")))
def test_any_text_after_the_options_goes_through(parser, text):
    assert parser.parse_line(f"--reset {text}")[1] == text


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--modle a", "did you mean --model?"),
        ("--zzz", "unknown option '--zzz'"),
        ("-m", "-m/--model needs a value"),
        ("-t hot", "'hot' is not a number"),
        ("-m 'a", "a quote is not closed"),
    ],
)
def test_a_mistake_is_an_error_with_the_usage(parser, line, words):
    with pytest.raises(errors.InvalidArgumentError) as caught:
        parser.parse_line(line)
    assert words in str(caught.value)
    assert "usage: %%x" in str(caught.value)


class Shell:
    def __init__(self, **variables):
        self.user_ns = variables


def test_an_endpoint_is_a_text_a_service_or_refused():
    class Service:
        endpoint = "abc_x"

    shell = Shell(tuned=Service(), text="abcdefgh_y", number=3)
    assert resolve_endpoint(shell, None) is None
    endpoints = [resolve_endpoint(shell, value) for value in ("tuned", "text", "abcdefgh_z")]
    assert endpoints == ["abc_x", "abcdefgh_y", "abcdefgh_z"]
    with pytest.raises(errors.InvalidArgumentError, match="holds a int"):
        resolve_endpoint(shell, "number")


def test_a_service_is_found_by_its_name_its_id_and_its_suffix_or_refused_with_those_there_are(
    tmp_path,
):
    with run_service_sandbox(tmp_path) as shop:
        with pytest.raises(errors.InvalidArgumentError, match="-e tea: this account has no serv"):
            resolve_endpoint(Shell(), "tea")
        service = shop.serve("teahouse")
        with pytest.raises(errors.InvalidArgumentError, match=r"teahouse\?\nIts services: teah"):
            resolve_endpoint(Shell(), "teahous")
        for word in ("teahouse", service.service_id, "shop"):
            assert resolve_endpoint(Shell(), word) == service.endpoint
            assert find_service(Shell(), word) == service.endpoint
        assert find_service(Shell(), service.endpoint) == service.endpoint
        assert resolve_endpoint(Shell(), "ernie-5.1") == "ernie-5.1"
        assert find_service(Shell(), "nobody") == ""


def test_a_training_stands_for_its_service_or_ends_in_the_cell_that_deploys_it(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("QFNB_STATE_DIR", str(tmp_path))
    monkeypatch.setattr("qfnb.batching.request_spec.platform_name", lambda _: "here")
    facts = {"task_id": "task-0", "service_endpoint": "abcdefgh_bike1"}
    deployed = RunRecord.begin(name="deployed", platform="here", task_id="task-0", facts=facts)
    deployed.update()
    RunRecord.begin(name="my run", platform="here", facts={}).update()
    RunRecord.begin(name="elsewhere", platform="there", facts=facts).update()
    words = ("deployed", deployed.id, "task-0")
    assert [find_endpoint(None, word) for word in words] == ["abcdefgh_bike1"] * 3
    assert (find_endpoint(None, "elsewhere"), find_endpoint(None, "nobody")) == (None, None)
    with pytest.raises(errors.InvalidArgumentError, match=r'\n%qftrain deploy "my run"$'):
        resolve_endpoint(Shell(), "my run")
    assert find_service(Shell(), "deployed") == "abcdefgh_bike1"
    assert find_service(Shell(), "ernie-5.1") == find_service(Shell(), "nobody") == ""
    with pytest.raises(errors.InvalidArgumentError, match="not deployed yet"):
        find_service(Shell(), "my run")


@pytest.mark.parametrize(
    ("verb", "ended", "outcome"),
    [
        ("attach", {"a": True, "b": False, "c": True}, "b"),
        ("stop", {"a": True, "b": False, "c": True}, "b"),
        ("stop", {"a": True}, "\n%qftrain list"),
        ("deploy", {"a": True}, "a"),
        ("deploy", {"a": True, "b": False}, "\n%qftrain deploy b\n%qftrain deploy a"),
        ("attach", {"a": False, "b": False, "c": True}, "\n%qftrain attach b\n%qftrain attach a"),
        ("attach", {}, "\n%qftrain"),
    ],
)
def test_a_verb_without_a_name_takes_the_only_training_that_fits(
    verb, ended, outcome, tmp_path, monkeypatch
):
    monkeypatch.setenv("QFNB_STATE_DIR", str(tmp_path))
    for number, (name, has_ended) in enumerate(ended.items()):
        run = RunRecord.begin(name=name)
        run.update(
            created=number, progress={"started_at": 1.0, "ended_at": 2.0 if has_ended else None}
        )
    if outcome.startswith("\n"):
        with pytest.raises(errors.InvalidArgumentError) as caught:
            only_training([], verb)
        assert str(caught.value).endswith(outcome)
    else:
        assert only_training([], verb) == outcome


@pytest.mark.parametrize(
    ("words", "endpoints"),
    [(["ab12cd34_bike", "ernie-5.1"], []), (["ernie-5.1", "bike"], []), (["ernie-5.1"], ["bike"])],
)
def test_of_two_models_the_one_that_was_not_trained_is_the_baseline(
    words, endpoints, tmp_path, monkeypatch
):
    monkeypatch.setenv("QFNB_STATE_DIR", str(tmp_path))
    facts = {"service_endpoint": "ab12cd34_bike"}
    RunRecord.begin(name="bike").update(facts=facts, platform="sandbox")
    base, tuned = resolve_models(Shell(), words, [], endpoints)
    assert base.model == "ernie-5.1"
    assert getattr(tuned, "get_res", lambda: tuned)().endpoint == "ab12cd34_bike"


def test_an_option_names_the_parameter_that_it_sets_and_the_verbs_that_accept_it():
    rows = [
        MagicOption("", "--top-p", "X", keyword="top_p"),
        MagicOption("", "--top-k", "N", keyword="top_k"),
    ]
    parser = VerbParser("%qfnew", "", "", ("start", "wait"), rows)
    options, words = parser.parse_words("data --top-p 0 model")
    assert (parser.keywords(options), words) == ({"top_p": 0.0}, ["data", "model"])
    parser.check_verb("start", options)
    with pytest.raises(errors.InvalidArgumentError, match="%qfnew wait takes no top_p"):
        parser.check_verb("wait", options)
