"""Checks of files and batches: their fields, and on request their windows and their limit of
lines.
"""

from ..base.language import tr_noop
from ..wire import batches, catalog
from .check import Finding, Steps, check, expect, mapping, names_text, untested
from .exchange import Exchange, Request
from .platform_checks import list_rows

QUESTION = {
    "model": catalog.default_model("chat"),
    "messages": [{"role": "user", "content": "1"}],
    "max_completion_tokens": 1,
}

POLLS = 12
POLLING_S = 5.0
"""How often and how long a file with too many lines is waited for: it is read after the batch was
created.
"""


@check("batches", tr_noop("the fields of files and batches (read only)"))
def check_batches() -> Steps:
    """Compare the fields of the newest file and batch."""
    findings: list[Finding] = []
    for row, record in (
        (batches.LIST_FILES, batches.FileObject),
        (batches.LIST, batches.BatchInfo),
    ):
        answer = yield Request(row, {"limit": 1})
        items = list_rows(answer)
        known = set(record.model_fields) | {"status", "sandbox", "status_details", "expires_at"}
        assumption = f"GET {row.path} has no fields but those of OpenAI"
        if not items:
            findings.append(
                untested(assumption, "none yet" if answer.is_success else answer.refusal)
            )
            continue
        unknown = set(items[0]) - known
        findings.append(expect(assumption, not unknown, names_text(unknown)))
        status = str(items[0].get("status", ""))
        if record is batches.BatchInfo:
            findings.append(
                expect("a batch's status is one of the page's", status in batches.STATES, status)
            )
    return findings


@check(
    "batch-windows",
    tr_noop("which completion windows a batch takes (creates a file and batches of one line)"),
    needs="create",
)
def check_batch_windows() -> Steps:
    """Create batches of one line, and cancel them."""
    upload = yield _upload(1)
    file_id = str(upload.body.get("id") or "file-none")
    findings = []
    for window, is_allowed in (("24h", True), ("1h", True), ("673h", False)):
        created = yield _create(file_id, window, 1)
        words = "taken" if is_allowed else "refused"
        findings.append(
            expect(f"window {window} is {words}", created.is_success == is_allowed, created.refusal)
        )
        if batch_id := created.body.get("id") if created.is_success else None:
            yield _cancel(batch_id)
    deleted = yield _delete(file_id)
    if not upload.is_success:
        return [untested("a file is uploaded", upload.refusal)]
    return [*findings, expect("DELETE /v2/files/{id} exists", deleted.is_success, deleted.refusal)]


@check(
    "batch-lines",
    tr_noop("how many lines a batch takes (creates a file with one too many, and cancels)"),
    needs="create",
)
def check_batch_lines() -> Steps:
    """Create a batch with one line more than the page allows."""
    count = batches.MAX_REQUESTS + 1
    upload = yield _upload(count)
    file_id = str(upload.body.get("id") or "file-none")
    batch = yield _create(file_id, "24h", count)
    observed = batch.refusal
    is_refused = not batch.is_success
    if batch_id := batch.body.get("id") if batch.is_success else None:
        for _ in range(POLLS):
            if batches.STATES.get(str(batch.body.get("status")), "") not in {"", "validating"}:
                break
            batch = yield Request(batches.INFO, path=f"/v2/batches/{batch_id}", delay_s=POLLING_S)
        rows = mapping(batch.body, "errors").get("data")
        codes = [str(mapping(row).get("code")) for row in rows] if isinstance(rows, list) else []
        observed = f"status {batch.body.get('status')}, errors {names_text(set(codes))}"
        is_refused = batches.STATES.get(str(batch.body.get("status"))) == "failed"
        if not is_refused:
            yield _cancel(batch_id)
    yield _delete(file_id)
    if not upload.is_success:
        return [untested(f"{count:,} lines are refused", upload.refusal)]
    return [
        expect(
            f"{count:,} lines are refused, when the batch is created or when its file is read",
            is_refused,
            observed,
        )
    ]


def _upload(count: int) -> Request:
    lines = [
        Exchange.json_line(
            {"custom_id": str(number), "method": "POST", "url": batches.CHAT, "body": QUESTION}
        )
        for number in range(count)
    ]
    files = {"file": ("qfnb-probe.jsonl", b"".join(lines), "application/jsonl")}
    return Request(batches.UPLOAD, {"purpose": "batch"}, files=files)


def _create(file_id: str, window: str, count: int) -> Request:
    fields = {"input_file_id": file_id, "endpoint": batches.CHAT, "completion_window": window}
    return Request(batches.CREATE, fields, lines=(QUESTION, count))


def _cancel(batch_id: str) -> Request:
    return Request(batches.CANCEL, path=f"/v2/batches/{batch_id}/cancel")


def _delete(file_id: str) -> Request:
    return Request(batches.DELETE_FILE, path=f"/v2/files/{file_id}")
