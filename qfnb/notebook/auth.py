"""`%qfauth`: the platform, and which keys come from where; never a key itself."""

from __future__ import annotations

import getpass
from argparse import Namespace
from typing import TYPE_CHECKING

from IPython.core.error import StdinNotImplementedError
from IPython.core.magic import Magics, line_magic, magics_class, no_var_expand

from .. import config, connect
from ..base.language import tr, tr_noop, trn
from ..base.text import near_miss
from ..errors import CredentialsError, QianfanError
from ..wire import catalog
from .doctor import show_report
from .parser import Parser, document_magic

if TYPE_CHECKING:
    from ..views.home import Access

VERBS = ("show", "set", "model", "sandbox", "reset", "forget", "doctor", "help")

PARSER = Parser(
    "%qfauth",
    tr_noop("Show or set keys and default models. Verbs: {verbs}."),
    tr_noop(
        "  %qfauth\n  %qfauth set          (asks for an API key, hidden)\n"
        "  %qfauth set --keep   (and puts it into the system's keyring)\n"
        "  %qfauth forget       (deletes it there)\n"
        "  %qfauth set --iam    (asks for an IAM pair, hidden)\n"
        "  %qfauth sandbox      (use the local sandbox)\n"
        "  %qfauth model NAME   (the default model of NAME's kind: chat, images, embedding or "
        "rerank)\n"
        "  %qfauth reset        (forget what was typed in)\n"
        "  %qfauth doctor       (versions, keys, platform, without secrets, and what is wrong)"
    ),
    verbs=", ".join(VERBS),
)
PARSER.add_argument("--iam", action="store_true", help=tr_noop("an IAM pair instead of an API key"))
PARSER.add_argument(
    "--keep",
    action="store_true",
    help=tr_noop("put the key into the system's keyring, for other kernels too"),
)


KEY_ON_THE_LINE = tr_noop(
    "A key is not typed on the line, where the notebook keeps it: delete it there. `%qfauth set` "
    "asks for it, hidden."
)

MAX_WORD_CHARS = 12
"""Characters of a word that a message repeats: what is longer is no slip of the finger, and may be
a key.
"""


@magics_class
class AuthMagics(Magics):
    """Credentials, without showing them."""

    parser = PARSER

    @no_var_expand
    @line_magic
    def qfauth(self, line: str) -> None:
        verb, _, remaining = line.strip().partition(" ")
        if verb.startswith("-"):
            verb = "show"
            remaining = line
        _validate_verb(verb or "show")
        options, unexpected = PARSER.parse_line(remaining)
        if options.help or verb == "help":
            print(PARSER.format_help())  # noqa: T201 - help was asked for
            return
        if unexpected and verb == "set":
            PARSER.error(tr(KEY_ON_THE_LINE), "%qfauth set")
        if unexpected and verb != "model":
            PARSER.error(tr("%qfauth {verb} takes no word behind it", verb=verb), f"%qfauth {verb}")
        if verb == "doctor":
            show_report()
            return
        _change_settings(verb, options, unexpected)
        from ..views import display, home  # noqa: PLC0415 - %load_ext stays fast

        display.publish(home.access_bundle(describe_access()))

    def complete_word(self, previous: str) -> list[str]:
        """Return the completions behind a word."""
        if previous.endswith("qfauth"):
            return list(VERBS)
        return []


def _validate_verb(word: str) -> None:
    """Raise unless a word is a verb; what may be a key is not repeated."""
    if word in VERBS:
        return
    if not word.isalpha() or len(word) > MAX_WORD_CHARS:
        PARSER.error(tr(KEY_ON_THE_LINE), "%qfauth set")
    match = near_miss(word, VERBS)
    if match:
        hint = tr("; did you mean {match}?", match=match)
    else:
        hint = tr(": use {verbs}", verbs=tr(", ").join(VERBS))
    PARSER.error(
        tr("{word!r} is not a verb of {magic}{hint}", word=word, magic="%qfauth", hint=hint),
        f"%qfauth {match}" if match else "",
    )


def _change_settings(verb: str, options: Namespace, model: str) -> None:
    """Do what a verb says about keys, platform and models; `show` changes nothing."""
    current = config.get_config()
    if verb == "set":
        _ask_for_keys(iam=options.iam, keeps=options.keep)
    elif verb == "forget":
        count = config.forget_kept_keys()
        print(  # noqa: T201
            trn(
                "{n} key was deleted from the keyring",
                "{n} keys were deleted from the keyring",
                count,
            )
        )
    elif verb == "model" and model:
        _set_model(model)
    elif verb == "sandbox":
        current.platform = "sandbox"
    elif verb == "reset":
        for name in (*config.KEY_NAMES, "platform", *config.MODEL_NAMES):
            delattr(current, name)


def describe_platform() -> str:
    """Return the platform that calls go to, in a few words."""
    try:
        current = connect.platform_info()
    except QianfanError as error:
        return f"⚠ {str(error).splitlines()[0]}"
    if current.name == "sandbox":
        return tr("local sandbox (no key is set)")
    if current.name == "qianfan":
        host = tr("Qianfan")
    else:
        host = tr("custom platform")
    return f"{host} {current.host} ({tr(', ').join(current.kinds)})"


def describe_access() -> Access:
    """Return the platform that calls go to, the sources of its keys, and the default models.

    Raises:
        QianfanError: no platform can be used; says why.
    """
    from ..views.home import Access  # noqa: PLC0415

    current = connect.platform_info()
    models = {
        name: value for name in config.MODEL_NAMES if (value := getattr(config.settings(), name))
    }
    is_sandbox = current.name == "sandbox"
    return Access(
        platform=describe_platform(),
        is_sandbox=is_sandbox,
        address=current.host if is_sandbox else "",
        keys=current.sources,
        models={"model": catalog.default_model("chat")} | models,
    )


def _set_model(name: str) -> None:
    """Make a model the default of its kind; a name that is not in the catalogue is a chat
    model's.
    """
    from ..resources.inference.model_choice import DEFAULT_SETTINGS  # noqa: PLC0415 - %load_ext stays fast

    row = catalog.find_model(None, name)
    if len(name.split()) > 1 or (row and row.kind not in DEFAULT_SETTINGS):
        PARSER.error(
            tr(
                "model {name!r}: must be the name of one model for chat, images, embedding or "
                "rerank",
                name=name,
            )
        )
    setattr(config.get_config(), DEFAULT_SETTINGS[row.kind if row else "chat"], name)


def _ask_for_keys(*, iam: bool, keeps: bool) -> None:
    names = ("access_key", "secret_key") if iam else ("api_key",)
    try:
        keys = {name: config.Secret(getpass.getpass(f"{name}: ")) for name in names}
    except (StdinNotImplementedError, EOFError):
        variables = tr(", ").join(f"QIANFAN_{name.upper()}" for name in names)
        raise CredentialsError(
            tr(
                "nobody can type a key here: set {variables} in the environment instead",
                variables=variables,
            )
        ) from None
    config.Credentials.of(keys)
    for name, value in keys.items():
        setattr(config.get_config(), name, value)
    config.get_config().platform = ""
    if keeps:
        _keep(keys)


def _keep(keys: dict[str, config.Secret]) -> None:
    """Put keys into the system's keyring.

    Raises:
        CredentialsError: there is none, or it refuses; the keys are used in this kernel all the
            same.
    """
    try:
        keyring_name = config.keep_keys(keys)
    except CredentialsError as error:
        reason = str(error)
    else:
        print(tr("kept in {keyring}; `%qfauth forget` deletes it", keyring=keyring_name))  # noqa: T201 - it was asked for
        return
    raise CredentialsError(f"{reason}\n{tr('the key is used until this kernel ends')}")


document_magic(AuthMagics.qfauth, PARSER)
