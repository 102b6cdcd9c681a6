"""The command: says what it would ask and what that costs at most, asks, writes a report."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from qfnb import __version__, connect
from qfnb.config import get_config
from qfnb.errors import QianfanError
from qfnb.transport.platform import Platform
from qfnb.wire import catalog, prices

from .checks import CHECKS, Check, Finding
from .exchange import Ask, Exchange, Request, create_ask
from .sharing import clean_message, to_shared

DIFFERENCES_EXIT_CODE = 3
OVERHEAD_TOKENS = 50  # that a platform adds to a conversation, and more
DEFAULT_OUTPUT_TOKENS = 4096  # counted for a request that does not limit its answer
MARKS = {True: "✓", False: "✗", None: "–"}


@dataclass
class Result:
    """A check that has ended, with its findings and exchanges."""

    name: str
    findings: list[Finding] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)

    @property
    def rows(self) -> list[str]:
        """Return the findings as rows of a table in Markdown."""
        cells = [(self.name, row.assumption, clean_message(str(row.seen))) for row in self.findings]
        lines = [" | ".join(cell.replace("|", "\\|") for cell in row) for row in cells]
        marks = [MARKS[row.is_so] for row in self.findings]
        return [f"| {mark} | {line} |" for mark, line in zip(marks, lines, strict=True)]


def plan(check: Check) -> list[Request]:
    """Return the requests of a check at most, as if none were answered."""
    requests: list[Request] = []

    def ask(request: Request) -> Exchange:
        requests.append(request)
        return Exchange(request)

    list(check.find(ask))
    return requests


def cost_limit(requests: Iterable[Request]) -> tuple[float, list[str]]:
    """Return what requests cost in CNY if each is answered at full length, and models without a
    price.
    """
    cny = 0.0
    unpriced = set[str]()
    for request in requests:
        body = request.body
        model = str(body.get("model") or "")
        if not model or request.key != "own":
            continue
        row = catalog.find_model(None, model)
        price = catalog.find_prices(row.kind, model) if row else None
        prompt = len(json.dumps(body, ensure_ascii=False)) + OVERHEAD_TOKENS
        limit = body.get("max_completion_tokens") or body.get("max_output_tokens")
        if row and row.kind in {"embedding", "reranker"}:
            limit = 0
        output = DEFAULT_OUTPUT_TOKENS if limit is None else limit
        if price and price.image is not None:
            cny += price.image
        elif cost := prices.token_cost(price, prompt, output):
            cny += cost.high
        else:
            unpriced.add(model)
    return cny, sorted(unpriced)


def limit_text(requests: Iterable[Request]) -> str:
    """Return the cost of requests at most as a text."""
    cny, unpriced = cost_limit(requests)
    text = f"¥{cny:.4f} at most" if cny else "free"
    return f"{text} · price unknown: {', '.join(unpriced)}" if unpriced else text


def run_check(name: str, ask: Ask, answers: dict[int, Exchange]) -> Result:
    """Run a check; a reading request that an earlier check sent is not sent again."""
    result = Result(name)

    def ask_once(request: Request) -> Exchange:
        exchange = answers.get(id(request)) if request.endpoint.method == "GET" else None
        if exchange is None:
            exchange = answers[id(request)] = ask(request)
        result.exchanges.append(exchange)
        return exchange

    try:
        result.findings = [Finding(*row) for row in CHECKS[name].find(ask_once)]
    except Exception as error:  # noqa: BLE001 - one odd answer must not hide the others
        seen = f"the answer has a form that the check cannot read: {type(error).__name__}"
        result.findings = [Finding(CHECKS[name].title, None, seen)]
    return result


def count_verdicts(results: Sequence[Result]) -> str:
    """Return e.g. "40 as assumed, 2 differ, 3 not tested"."""
    counts = Counter(finding.is_so for result in results for finding in result.findings)
    return f"{counts[True]} as assumed, {counts[False]} differ, {counts[None]} not tested"


def to_markdown(results: Sequence[Result], title: str) -> str:
    """Return the report: what differs, then all findings."""
    rows = [row for result in results for row in result.rows]
    differing = [row for row in rows if row.startswith("| ✗")]
    table = ["|  | check | assumed | seen |", "| --- | --- | --- | --- |"]
    lines = ["# Probe of the platform", "", f"{title}; {count_verdicts(results)}.", ""]
    lines += ["Texts, ids and keys are removed; names, numbers and codes are as received.", ""]
    lines += ["## What differs", "", *(table + differing if differing else ["Nothing."]), ""]
    lines += ["## All findings", "", *table, *rows, ""]
    return "\n".join(lines)


def to_cassette(results: Sequence[Result]) -> str:
    """Return all exchanges as JSON lines."""
    rows = [{"check": one.name, **to_shared(sent)} for one in results for sent in one.exchanges]
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def parse_options(words: Sequence[str] | None) -> argparse.Namespace:
    """Return the options of the command."""
    parser = argparse.ArgumentParser(prog="probe", description=sys.modules["probe"].__doc__)
    names = ", ".join(CHECKS)
    parser.add_argument("--only", metavar="NAME,...", default="", help=f"some of: {names}")
    parser.add_argument("--dry-run", action="store_true", help="print the requests; send nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask before sending")
    parser.add_argument("--sandbox", action="store_true", help="probe the sandbox instead")
    parser.add_argument("--out", metavar="FOLDER", type=Path, default=Path(), help="of the report")
    options = parser.parse_args(words)
    options.only = [name for name in options.only.split(",") if name]
    if unknown := [name for name in options.only if name not in CHECKS]:
        parser.error(f"--only {unknown[0]}: there is no such check; they are {names}")
    return options


def print_plan(names: Sequence[str], *, shows_requests: bool) -> None:
    """Print what each check asks, and what all cost."""
    plans = {name: plan(CHECKS[name]) for name in names}
    for name, requests in plans.items():
        print(f"{name}: {CHECKS[name].title} — {len(requests)} requests, {limit_text(requests)}")
        if shows_requests:
            counts = Counter(request.label for request in requests)
            print(*(f"    {label} × {count}" for label, count in counts.items()), sep="\n")
    print(f"\nall: {limit_text(request for rows in plans.values() for request in rows)}")


def find_platform(*, sandbox: bool) -> Platform | None:
    """Return the platform of the settings, None without a key; the sandbox only on request."""
    if sandbox:
        get_config().platform = "sandbox"
    is_wanted = sandbox or connect.platform_info().name != "sandbox"
    return connect.current_platform() if is_wanted else None


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code: 3 where the platform differs."""
    options = parse_options(words)
    platform = find_platform(sandbox=options.sandbox)
    names = options.only or list(CHECKS)
    if platform is None or not platform.credentials.access_key or platform.openai:
        without = [name for name in names if CHECKS[name].needs_iam]
        names = [name for name in names if name not in without]
        print(*(f"{name}: needs an IAM pair of keys" for name in without), sep="\n")
    print_plan(names, shows_requests=options.dry_run)
    if options.dry_run:
        return 0
    if platform is None:
        print("no key is set: set QIANFAN_API_KEY, or try it with --sandbox", file=sys.stderr)
        return 1
    if not options.yes and input("type yes to send these requests: ").strip() != "yes":
        print("nothing was sent")
        return 1
    now = datetime.now(UTC)
    path = options.out / f"qfnb-probe-{now:%Y%m%d-%H%M%S}.md"
    options.out.mkdir(parents=True, exist_ok=True)
    path.touch()  # before anything is sent it is known that the report can be written
    host = platform.host if platform.name == "qianfan" else "not the public host"
    title = f"{platform.name} ({host}), {now:%Y-%m-%d %H:%M} UTC, qfnb {__version__}"
    results: list[Result] = []
    answers: dict[int, Exchange] = {}
    try:
        ask = create_ask(connect.client())
        for name in names:
            results.append(run_check(name, ask, answers))
            print(name, *results[-1].rows, sep="\n", flush=True)
    finally:  # what was asked is paid for: an interrupted probe writes what it has
        path.write_text(to_markdown(results, title), encoding="utf-8")
        path.with_suffix(".jsonl").write_text(to_cassette(results), encoding="utf-8")
        print(f"\n{count_verdicts(results)}\nreport: {path}")
    differs = any(row.is_so is False for result in results for row in result.findings)
    return DIFFERENCES_EXIT_CODE if differs else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (QianfanError, OSError) as error:
        sys.exit(str(error))
