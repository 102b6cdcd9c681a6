"""Files of the v2 plane over HTTP: up as a form, down as bytes, listed by page."""

import pytest
from support.raw_http import error_of, upload


def test_a_file_is_kept_listed_read_and_deleted(http):
    content = "一行\r\n\x00\n".encode()
    file = upload(http, content).json()
    assert (file["object"], file["bytes"], file["filename"], file["purpose"]) == (
        "file",
        len(content),
        "问题.jsonl",
        "batch",
    )
    path = f"/v2/files/{file['id']}"
    assert http.get(path).json() == file
    assert http.get("/v2/files", params={"purpose": "batch", "limit": 1}).json()["data"] == [file]
    assert http.get(f"{path}/content").content == content
    assert http.delete(path).json() == {"id": file["id"], "object": "file", "deleted": True}
    for missing in (http.get(path), http.get(f"{path}/content"), http.delete(path)):
        assert error_of(missing) == (404, "file_not_found")


def test_files_are_listed_page_by_page_in_both_orders(http):
    ids = [upload(http, b"x", purpose="page-test").json()["id"] for _ in range(3)]
    query = {"purpose": "page-test", "limit": 2}
    first = http.get("/v2/files", params={**query, "order": "asc"}).json()
    assert ([row["id"] for row in first["data"]][:2], first["has_more"]) == (ids[:2], True)
    second_page = http.get(
        "/v2/files", params={**query, "order": "asc", "after": first["last_id"]}
    ).json()
    assert ([row["id"] for row in second_page["data"]], second_page["has_more"]) == (ids[2:], False)
    assert [row["id"] for row in http.get("/v2/files", params=query).json()["data"]] == ids[:0:-1]


@pytest.mark.parametrize(
    "form",
    [
        {"files": {"file": ("a.jsonl", b"")}, "data": {"purpose": "batch"}},
        {"files": {"file": ("a.jsonl", b"x")}},
        {"files": {"other": ("a.jsonl", b"x")}, "data": {"purpose": "batch"}},
        {"json": {"purpose": "batch"}},
        {"content": b"--x", "headers": {"content-type": "multipart/form-data; boundary=y"}},
    ],
    ids=["empty", "no purpose", "no file", "JSON", "broken form"],
)
def test_a_wrong_upload_is_refused(http, form):
    status, code = error_of(http.post("/v2/files", **form))
    assert (status, code) in {(400, "invalid_argument"), (400, "malformed_form")}


def test_a_file_name_leads_nowhere(http):
    assert upload(http, b"x", name="../../evil.jsonl").json()["filename"] == "evil.jsonl"
