"""`%qfauth`, `%qfdoctor` and `%qfsandbox`: which platform is used and with which keys, never a key
itself; whether it works; and the local one.
"""

from __future__ import annotations

import getpass
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from IPython.core.error import StdinNotImplementedError
from IPython.core.magic import magics_class

from .. import config, connect, doctor
from ..base.language import tr, tr_noop, trn
from ..base.text import listed
from ..errors import CredentialsError, InvalidArgumentError, QianfanError
from ..resources.inference.model_choice import DEFAULT_SETTINGS
from ..wire import catalog
from .parser import MagicOption
from .verb_magic import VerbMagics, VerbParser, verb_magic

if TYPE_CHECKING:
    from ..views.home import Access

PARSER = VerbParser(
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
    ("show", "set", "model", "sandbox", "reset", "forget", "doctor"),
    [
        MagicOption("an IAM pair instead of an API key", "--iam", verbs=("set",)),
        MagicOption(
            "put the key into the system's keyring, for other kernels too", "--keep", verbs=("set",)
        ),
    ],
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
class AuthMagics(VerbMagics):
    """Credentials, without showing them."""

    parser = PARSER

    qfauth = verb_magic(PARSER)

    def _split_verb(self, line: str) -> tuple[str, str]:
        """Return the verb; what may be a key is not repeated."""
        word, _, remaining = line.strip().partition(" ")
        if word.startswith("-"):
            return super()._split_verb(line)
        if word and (not word.isalpha() or len(word) > MAX_WORD_CHARS):
            PARSER.error(tr(KEY_ON_THE_LINE), "%qfauth set")
        return super()._split_verb(word)[0], remaining

    def _check_words(self, verb: str, options: Namespace, words: Sequence[str]) -> None:
        if words and verb == "set":
            PARSER.error(tr(KEY_ON_THE_LINE), "%qfauth set")
        super()._check_words(verb, options, words)

    def run_verb(self, verb: str, options: Namespace, words: Sequence[str]) -> None:
        """Do what a verb says about keys, platform and models, and show them."""
        from ..views import display, home  # noqa: PLC0415 - %load_ext stays fast

        super().run_verb(verb, options, words)
        if verb != "doctor":
            display.publish(home.access_bundle(describe_access()))

    def do_show(self, options: Namespace) -> None:
        """Change nothing."""

    def do_doctor(self, options: Namespace) -> None:
        show_report()

    def do_sandbox(self, options: Namespace) -> None:
        config.get_config().platform = "sandbox"

    def do_reset(self, options: Namespace) -> None:
        for name in (*config.KEY_NAMES, "platform", *config.MODEL_NAMES):
            delattr(config.get_config(), name)

    def do_forget(self, options: Namespace) -> None:
        count = config.forget_kept_keys()
        one = "{n} key was deleted from the keyring"
        print(trn(one, "{n} keys were deleted from the keyring", count))  # noqa: T201 - what was done

    def do_model(self, options: Namespace, name: str = "") -> None:
        """Make a model the default of its kind; a name that is not in the catalogue is a chat
        model's.
        """
        if not name:
            return
        row = catalog.find_model(None, name)
        kind = "chat"
        if row:
            kind = row.kind
        if kind not in DEFAULT_SETTINGS:
            PARSER.error(
                tr(
                    "model {name!r}: must be the name of one model for chat, images, embedding or "
                    "rerank",
                    name=name,
                )
            )
        setattr(config.get_config(), DEFAULT_SETTINGS[kind], name)

    def do_set(self, options: Namespace) -> None:
        names = ("access_key", "secret_key") if options.iam else ("api_key",)
        try:
            keys = {name: config.Secret(getpass.getpass(f"{name}: ")) for name in names}
        except (StdinNotImplementedError, EOFError):
            variables = listed(f"QIANFAN_{name.upper()}" for name in names)
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
        if not options.keep:
            return
        try:
            keyring_name = config.keep_keys(keys)
        except CredentialsError as error:
            note = tr("the key is used until this kernel ends")
            raise CredentialsError(f"{error}\n{note}") from None
        print(tr("kept in {keyring}; `%qfauth forget` deletes it", keyring=keyring_name))  # noqa: T201 - it was asked for


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
    return f"{host} {current.host} ({listed(current.kinds)})"


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


DOCTOR_PARSER = VerbParser(
    "%qfdoctor",
    tr_noop("Versions, folders, keys and platform, without secrets, and what is wrong."),
    tr_noop("  %qfdoctor\n  %qfdoctor --offline   (does not ask the platform)"),
    ("show",),
    [MagicOption("do not ask the platform", "--offline", verbs=("show",))],
)


def show_report(*, reach: bool = True) -> None:
    """Show what `doctor.examine` finds; with `reach` the platform is asked, too."""
    from ..views import display, home  # noqa: PLC0415

    display.publish(home.findings_bundle(doctor.examine(reach=reach)))


@magics_class
class DoctorMagics(VerbMagics):
    """The report of `qfnb doctor` in a cell."""

    parser = DOCTOR_PARSER

    qfdoctor = verb_magic(DOCTOR_PARSER)

    def do_show(self, options: Namespace) -> None:
        show_report(reach=not options.offline)


SANDBOX_PARSER = VerbParser(
    "%qfsandbox",
    tr_noop(
        "The local sandbox: a Qianfan on this computer. Verbs: {verbs}. In a terminal, `qfnb "
        "sandbox` has more."
    ),
    tr_noop(
        "  %qfsandbox\n  %qfsandbox start|stop\n  %qfsandbox logs\n"
        "  %qfsandbox reset --yes   (deletes its datasets, models and services)"
    ),
    ("status", "start", "stop", "reset", "logs"),
    [MagicOption("reset: do not ask", "--yes", verbs=("reset",))],
)
DELETES = tr_noop("delete the sandbox's datasets, models, services and keys? yes/no: ")


@magics_class
class SandboxMagics(VerbMagics):
    """The verbs of `%qfsandbox`; what they print is printed by the command of `qfnb sandbox`."""

    parser = SANDBOX_PARSER

    qfsandbox = verb_magic(SANDBOX_PARSER)

    def do_status(self, options: Namespace) -> None:
        from ..views import display, home  # noqa: PLC0415 - %load_ext stays fast

        display.publish(home.sandbox_bundle())

    def do_start(self, options: Namespace) -> None:
        _command().start()

    def do_stop(self, options: Namespace) -> None:
        _command().stop()

    def do_logs(self, options: Namespace) -> None:
        _command().logs()

    def do_reset(self, options: Namespace) -> None:
        if options.yes or confirm(tr(DELETES), "%qfsandbox reset --yes"):
            _command().reset(yes=True)
        else:
            print(tr("nothing was deleted"))  # noqa: T201 - what was decided


def _command() -> Any:
    from ..sandbox import command  # noqa: PLC0415 - %load_ext stays fast

    return command


def confirm(question: str, cell: str) -> bool:
    """Return whether the user says yes.

    Args:
        question: with its answers, `yes/no: `.
        cell: the cell that does not ask.

    Raises:
        InvalidArgumentError: the front end cannot ask.
    """
    try:
        return input(question).strip().lower() in {"y", "yes", "是"}
    except (EOFError, NotImplementedError, RuntimeError):  # of a kernel without a front end
        raise InvalidArgumentError(f"{tr('nobody can be asked here: add --yes')}\n{cell}") from None
