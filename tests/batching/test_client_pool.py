"""Several keys as one: who gets a row, who is taken out, what cannot be mixed."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter

import pytest
from support.scripted_server import http_answer
from support.waiting import until

import qfnb
from qfnb import ChatCompletion
from qfnb.batching.journal_store import journal_path
from qfnb.errors import InvalidArgumentError

KEYS = {name: f"bce-v3/ALTAK-test{name}00001/secret{name}0123456789" for name in "ABC"}
REPLY = {"id": "1", "choices": [{"message": {"content": "好"}, "finish_reason": "stop"}]}
GOOD = http_answer(json.dumps(REPLY).encode())


def refusal(code, status="400 Bad Request", more=""):
    body = {"error": {"code": code, "message": "no"}}
    return http_answer(json.dumps(body).encode(), status=status, more=more)


WRONG_KEY = refusal("invalid_iam_token", "401 Unauthorized")


def members(names="AB", **options):
    return [ChatCompletion(api_key=KEYS[name], **options) for name in names]


def key_of(request):
    return re.search(rb"ALTAK-test(.)", request)[1].decode()


@pytest.fixture
def serve(scripted):
    """Start a server that answers each key as a test says: with bytes, with events and bytes, or
    well.
    """

    def start(**answers):
        return scripted(
            lambda request: (
                answer
                if isinstance(answer := answers.get(key_of(request), GOOD), list)
                else [answer]
            )
        )

    return start


def run(rows, name, clients, **options):
    batch = qfnb.batch(
        [f"{name} {number}" for number in range(rows)],
        name=f"pool-{name}",
        clients=clients,
        **options,
    )
    batch.wait()
    return batch


def rows_by_client(batch):
    return dict(zip(batch.clients["client"], batch.clients["rows"], strict=True))


def test_rows_in_flight_are_shared_evenly(serve):
    released = threading.Event()
    server = serve(A=[released, GOOD], B=[released, GOOD])
    batch = qfnb.batch(
        [f"even {n}" for n in range(12)], name="pool-even", clients=members(), workers=6, canary=0
    )
    until(lambda: len(server.requests) == 6)
    assert Counter(map(key_of, server.requests)) == {"A": 3, "B": 3}
    assert list(batch.clients["in_flight"]) == [3, 3]
    released.set()
    batch.wait()
    assert (batch.progress.ok, sum(rows_by_client(batch).values()), len(server.requests)) == (
        12,
        12,
        12,
    )


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (WRONG_KEY, "AuthError: [invalid_iam_token]"),
        (refusal(17), "NotActivatedError: [17]"),
        (refusal("invalid_model", "404 Not Found"), "APIError: [invalid_model]"),
    ],
)
def test_a_member_that_cannot_answer_any_row_is_taken_out_and_no_row_fails(serve, answer, reason):
    server = serve(A=answer)
    batch = run(6, "out-" + re.sub(r"\W", "", reason), members(), workers=1)
    assert (batch.progress.state, batch.progress.ok, batch.progress.failed) == ("done", 6, 0)
    assert Counter(map(key_of, server.requests)) == {"A": 1, "B": 6}
    assert {row.attempts for row in batch.results()} == {1}
    (remark,) = batch.progress.remarks
    assert remark.startswith(f"clients[0] (***A00001) gets no more rows: {reason}")
    assert remark.endswith("1 client remains")
    assert list(batch.clients["state"]) == ["out", "ready"]


def test_a_key_that_answered_is_taken_out_by_the_third_refusal_in_a_row(serve):
    server = serve(A=[GOOD])
    batch = run(2, "expired", members("A"), workers=1)
    assert batch.progress.ok == 2
    answers = iter([GOOD, WRONG_KEY, WRONG_KEY, GOOD, WRONG_KEY, WRONG_KEY, WRONG_KEY])
    server.answers = [lambda request: [next(answers) if key_of(request) == "A" else GOOD]]
    batch = run(20, "expired-later", members(), workers=1)
    assert (batch.progress.ok, batch.progress.failed) == (20, 0)
    assert Counter(map(key_of, server.requests))["A"] == 2 + 7
    assert rows_by_client(batch) == {"clients[0] (***A00001)": 2, "clients[1] (***B00001)": 18}


def test_the_last_member_out_stops_the_batch_and_resuming_asks_all_again(serve):
    server = serve(A=WRONG_KEY, B=WRONG_KEY)
    batch = run(30, "last", members(), workers=1, canary=0)
    assert (batch.progress.state, batch.progress.ok) == ("stopped", 0)
    assert "AuthError: [invalid_iam_token]" in batch.progress.reason
    assert [remark.rpartition("· ")[2] for remark in batch.progress.remarks] == ["1 client remains"]
    assert len(server.requests) == 2
    server.answers = [[GOOD]]
    batch.resume()
    batch.wait()
    assert (batch.progress.ok, batch.progress.remarks, set(batch.clients["state"])) == (
        30,
        (),
        {"ready"},
    )


def test_an_overloaded_member_costs_no_row(serve):
    server = serve(A=refusal("internal_error", "500 Internal Server Error"))
    with qfnb.testing(1 / 1000):
        batch = run(40, "overload", members(), workers=4)
    assert (batch.progress.ok, batch.progress.failed, batch.progress.remarks) == (40, 0, ())
    assert Counter(map(key_of, server.requests))["B"] == 40


def test_another_key_goes_on_where_the_first_one_ended_and_nothing_is_sent_twice(serve):
    server = serve(B=WRONG_KEY)
    assert run(8, "goes-on", members("A")).progress.ok == 8
    batch = qfnb.batch(
        [f"goes-on {n}" for n in range(10)],
        name="pool-goes-on",
        clients=members("CB"),
        allow_changed_input=True,
    )
    batch.wait()
    counts = Counter(map(key_of, server.requests))
    assert (batch.progress.ok, counts["A"], counts["C"]) == (10, 8, 2)
    assert qfnb.resume("pool-goes-on", clients=members("B")).wait() is None
    assert (
        qfnb.batch([f"goes-on {n}" for n in range(10)], name="pool-goes-on").progress.cached == 10
    )
    assert len(server.requests) == counts.total()


def test_endpoints_differ_and_the_journal_does_not_depend_on_them(serve):
    server = serve()
    clients = [
        ChatCompletion(api_key=KEYS["A"], endpoint="svc-a"),
        ChatCompletion(api_key=KEYS["B"]),
    ]
    batch = run(6, "endpoints", clients, model="ernie-5.1", workers=2, canary=0)
    models = {
        key_of(request): json.loads(request.partition(b"\r\n\r\n")[2])["model"]
        for request in server.requests
    }
    assert (batch.progress.ok, models) == (6, {"A": "svc-a", "B": "ernie-5.1"})
    again = qfnb.batch(
        [f"endpoints {n}" for n in range(6)], name="pool-endpoints", model="ernie-5.1"
    )
    assert (again.progress.cached, len(server.requests)) == (6, 6)


def test_no_key_is_in_the_journal_or_in_what_is_said(serve):
    serve(A=WRONG_KEY)
    batch = run(3, "secret", members())
    texts = [
        repr(batch),
        repr(batch.job),
        repr(batch.progress),
        batch.clients.to_string(),
        str(batch.results()),
    ]
    stored = b"".join(
        path.read_bytes() for path in journal_path("pool-secret").parent.glob("pool-secret*")
    )
    assert not re.search("secret[AB]0|ALTAK-test", "".join(texts))
    assert not re.search(b"secret[AB]0|ALTAK-test", stored)


@pytest.fixture
def user_keys():
    """Make the pool's platform a server: without a network, and without a sandbox."""
    config = qfnb.get_config()
    config.base_url = config.console_api_base_url = "https://qianfan.invalid"


A, B = members()
OTHER_HOST = ChatCompletion(api_key=KEYS["A"], base_url="https://other.invalid/v1")
SERVICE = ChatCompletion(api_key=KEYS["A"], endpoint="svc")
SERVICE_2 = ChatCompletion(api_key=KEYS["B"], endpoint="svc-2")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clients": []}, "clients=[]: name at least one, [ChatCompletion("),
        ({"clients": KEYS["A"]}, "clients is a str: must be a list"),
        ({"clients": [A, KEYS["B"]]}, "clients[1] is a str: must be a qfnb.ChatCompletion"),
        ({"clients": [A], "client": B}, "client= and clients=: only one of them"),
        (
            {"clients": [SERVICE, B], "endpoint": "mine"},
            "endpoint='mine', and clients[0] has endpoint='svc'",
        ),
        ({"clients": [SERVICE, SERVICE_2]}, "clients[0] has endpoint='svc' and names no model"),
        (
            {"clients": [A, OTHER_HOST]},
            "clients[1] calls other.invalid, and clients[0] calls qianfan.invalid",
        ),
        ({"clients": [A, *members("B", model="ernie-5.1")], "model": None}, "and clients[0] asks"),
        (
            {"clients": [SERVICE, B], "model": "ernie-5.1", "budget": 1},
            "budget=1: the price of svc is not known",
        ),
        (
            {"clients": [ChatCompletion(access_key="x" * 20)]},
            "clients[0]: access_key is set and secret_key is not",
        ),
    ],
)
def test_what_cannot_be_a_pool_is_refused_before_any_call(user_keys, options, message):
    for call in (qfnb.batch, qfnb.estimate):
        with pytest.raises(InvalidArgumentError, match=re.escape(message)) as error:
            call(["甲"], **options)
        assert "secret" not in str(error.value).replace("secret_key", "")
