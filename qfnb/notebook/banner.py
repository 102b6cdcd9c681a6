"""The one line that `%load_ext qfnb` prints: which platform, which kernel, how to get help."""

from __future__ import annotations

import platform

from .. import __version__, connect
from ..errors import QianfanError


def banner_line() -> str:
    """Return the greeting."""
    kernel = f"{platform.python_implementation()} {platform.python_version()}"
    return f"qfnb {__version__} · {describe_platform()} · {kernel} · 帮助 help: %%qfchat?  %qfauth"


def describe_platform() -> str:
    """Return which platform calls go to now, in a few words."""
    try:
        current = connect.platform_info()
    except QianfanError as error:
        return f"⚠ {str(error).splitlines()[0]}"
    if current.name == "sandbox":
        return "本地沙盒 sandbox（未设置密钥 / no key set）"
    host = "千帆 Qianfan" if current.name == "qianfan" else "自定义平台 custom platform"
    return f"{host} {current.host}（{', '.join(current.kinds)}）"
