"""Refuse files that hold what looks like a real key: `python tests/support/find_keys.py FILE...` (a
pre-commit hook).

The form decides, as in `qfnb.redact`; keys that tests make up are shorter, or have "canary" in
them.
"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

REAL_KEYS = re.compile(
    r"bce-v3/ALTAK-\w{15,}/[0-9a-f]{32,}"
    r"|\bALTAK[A-Za-z0-9]{20,}"
    r"|(?<![A-Za-z0-9])sk-[A-Za-z0-9]{32,}"
    r"|(?i:secret_?key|client_secret|\bsk)[\"']?\s*[=:]\s*\\?[\"']?[0-9a-f]{32}\b"
)


def find_keys(paths: Sequence[str]) -> list[str]:
    """Return "file:line" of each line that holds a key."""
    return [
        f"{path}:{number}"
        for path in paths
        for number, line in enumerate(
            Path(path).read_text(encoding="utf-8", errors="replace").splitlines(), 1
        )
        if any("canary" not in key[0].lower() for key in REAL_KEYS.finditer(line))
    ]


if __name__ == "__main__":
    places = find_keys(sys.argv[1:])
    for place in places:
        print(
            f"{place}: looks like a key. Take it out, and revoke it in the console if it has ever "
            "been pushed."
        )
    raise SystemExit(bool(places))
