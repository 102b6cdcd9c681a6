import re

import pytest

from qfnb.transport import response as protocol
from qfnb.wire import error_codes

STATUSES = [400, 401, 403, 404, 408, 409, 429]
ROWS = [
    *error_codes.CODES.values(),
    *(error_codes.lookup("not in the table", status) for status in STATUSES),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row.code))
def test_each_code_is_explained_in_english_or_in_chinese(chinese, row):
    assert row.hint.isascii()
    status = row.code if row.code in STATUSES else 403
    hint = protocol.build_api_error(row.code, "x", status=status, headers={}).hint
    assert re.search(r"[\u4e00-\u9fff]", hint)
    assert not re.search(r"[a-z]{2,} [a-z]{2,} [a-z]{2,}", hint)
