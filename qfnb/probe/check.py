"""Checks as values: a generator of requests that ends in findings, its name, and what it needs."""

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from .exchange import Exchange, Request

Verdict = Literal["as assumed", "differs", "not tested"]


@dataclass(frozen=True)
class Finding:
    """One assumption, and what the platform showed.

    Attributes:
        assumption: what this library takes for true.
        observed: what was seen; names and numbers of the platform, no texts.
        verdict: whether it is so.
    """

    assumption: str
    observed: str
    verdict: Verdict


Steps = Generator[Request, Exchange, Iterable[Finding]]
"""Yields requests, receives their exchanges, returns findings; it must survive any answer."""


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        name: after `--only`.
        title: what it asks, a message.
        steps: starts it.
        needs: "iam" for an IAM pair, "pictures" or "create" for the option of that name, "" for an
            API key.
    """

    name: str
    title: str
    steps: Callable[[], Steps]
    needs: Literal["", "iam", "pictures", "create"] = ""


CHECKS: dict[str, Check] = {}


def check(
    name: str, title: str, *, needs: Literal["", "iam", "pictures", "create"] = ""
) -> Callable[[Callable[[], Steps]], Callable[[], Steps]]:
    """Register a check.

    Args:
        name: after `--only`.
        title: what it asks.
        needs: what it does not run without.
    """

    def register(steps: Callable[[], Steps]) -> Callable[[], Steps]:
        CHECKS[name] = Check(name, title, steps, needs)
        return steps

    return register


def expect(assumption: str, is_so: bool, observed: object) -> Finding:
    """Return the finding of an assumption that was tested."""
    return Finding(assumption, str(observed), "as assumed" if is_so else "differs")


def untested(assumption: str, reason: object) -> Finding:
    """Return the finding of an assumption that could not be tested."""
    return Finding(assumption, str(reason), "not tested")


def mapping(value: object, *names: str) -> Mapping[str, Any]:
    """Return a value, or what is in it under names one after the other, if that is an object; else
    {}.
    """
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def names_text(names: Iterable[object]) -> str:
    """Return names in order and separated by commas, "none" for no names."""
    return ", ".join(sorted(map(str, names))) or "none"


def plan(steps: Steps) -> list[Request]:
    """Return the requests of a check at most, as if none were answered."""
    requests: list[Request] = []
    try:
        request = next(steps)
        while True:
            requests.append(request)
            request = steps.send(Exchange(request))
    except StopIteration:
        return requests
