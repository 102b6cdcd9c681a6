"""`%qfauth`: which platform, which keys and where they come from; never a key itself."""

from __future__ import annotations

import getpass

from IPython.core.magic import Magics, line_magic, magics_class, no_var_expand

from .. import config, connect
from .arguments import Parser, document
from .greeting import where

VERBS = ("show", "set", "sandbox", "reset")

PARSER = Parser(
    "%qfauth",
    "Show or set how calls are authenticated. Verbs: show (default), set, sandbox, reset.",
    "  %qfauth\n  %qfauth set          (asks for an API key, hidden)\n"
    "  %qfauth set --iam    (asks for an IAM pair, hidden)\n  %qfauth sandbox      (use the local sandbox)\n"
    "  %qfauth reset        (forget what was typed in)",
)
PARSER.add_argument("--iam", action="store_true", help="an IAM pair instead of an API key")


@magics_class
class AuthMagics(Magics):
    """Credentials, without showing them."""

    @no_var_expand
    @line_magic
    def qfauth(self, line: str) -> None:
        verb, _, rest = line.strip().partition(" ")
        if verb.startswith("-"):
            verb, rest = "show", line
        options, extra = PARSER.read(rest)
        if options.help:
            print(PARSER.format_help())  # noqa: T201 - help was asked for
            return
        if (verb or "show") not in VERBS or extra:
            PARSER.error(f"{line.strip()!r} is not understood: use {', '.join(VERBS)}")
        if verb == "set":
            _type_in(iam=options.iam)
        elif verb == "sandbox":
            config.get_config().platform = "sandbox"
        elif verb == "reset":
            for name in (*config.KEY_NAMES, "platform"):
                delattr(config.get_config(), name)
        print(report())  # noqa: T201 - what was asked for


def report() -> str:
    """Return what a call would use now, in a few lines, without a key."""
    now = connect.platform_info()
    lines = [f"平台 platform: {where()}"]
    lines += [f"  {name}: {source}" for name, source in now.sources.items()]
    if now.name == "sandbox":
        state = f"running at {now.host}" if now.host else "starts with the first call"
        lines.append(f"  {state}；设置密钥后连接千帆 / set a key to reach Qianfan: %qfauth set")
    return "\n".join(lines)


def _type_in(*, iam: bool) -> None:
    names = ("access_key", "secret_key") if iam else ("api_key",)
    typed = {name: getpass.getpass(f"{name}: ") for name in names}
    config.Credentials.of(typed)
    for name, value in typed.items():
        setattr(config.get_config(), name, value)
    config.get_config().platform = ""


document(AuthMagics.qfauth, PARSER)
