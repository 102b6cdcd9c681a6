"""The environment that points the official SDK, in a process of its own, at a sandbox."""

from __future__ import annotations

import os
from pathlib import Path

from qfnb.sandbox import Address
from qfnb.sandbox.command import environment

SITE = Path(__file__).parent / "sdk_site"  # its sitecustomize keeps the SDK from hanging
IAM = ("QIANFAN_ACCESS_KEY", "QIANFAN_SECRET_KEY")


def sdk_environment(sandbox: Address, folder: Path, keys: tuple[str, ...] = IAM) -> dict[str, str]:
    """Return the variables: the sandbox's URLs, the named keys, and a folder for what the SDK
    caches.
    """
    variables = {
        name: value
        for name, value in environment(sandbox).items()
        if name.endswith("_URL") or name in keys
    }
    env = {
        name: value for name, value in os.environ.items() if not name.startswith("QIANFAN_")
    } | variables
    env |= {
        "QIANFAN_DISABLE_EB_SDK": "true",
        "QIANFAN_CACHE_DIR": str(folder),
        "NO_PROXY": "127.0.0.1",
    }
    return env | {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(SITE), env.get("PYTHONPATH", "")]))
    }
