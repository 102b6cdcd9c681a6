"""`%qfsandbox`: whether the local sandbox runs; starts, stops and resets it, as `qfnb sandbox`
does.
"""

from argparse import Namespace

from IPython.core.magic import line_magic, magics_class, no_var_expand

from ..base.language import tr, tr_noop
from .home import confirm
from .parser import document_magic
from .verb_magic import VerbMagics, VerbParser

VERBS = ("status", "start", "stop", "reset", "logs")
"""Names of functions of `sandbox.command`, too."""

PARSER = VerbParser(
    "%qfsandbox",
    tr_noop(
        "The local sandbox: a Qianfan on this computer. Verbs: {verbs}. In a terminal, `qfnb "
        "sandbox` has more."
    ),
    tr_noop(
        "  %qfsandbox\n  %qfsandbox start|stop\n  %qfsandbox logs\n"
        "  %qfsandbox reset --yes   (deletes its datasets, models and services)"
    ),
    VERBS,
)
PARSER.add_option("--yes", action="store_true", help=tr_noop("reset: do not ask"), verbs=("reset",))

DELETES = tr_noop("delete the sandbox's datasets, models, services and keys? yes/no: ")


@magics_class
class SandboxMagics(VerbMagics):
    """The verbs of `%qfsandbox`; what they print is printed by the command."""

    parser = PARSER
    default_verb = "status"
    needs_verb = True
    takes_target = False

    @no_var_expand
    @line_magic
    def qfsandbox(self, line: str) -> None:
        self.run_line(line)

    def run_verb(self, verb: str, options: Namespace, target: str) -> None:
        """Run the command of a verb."""
        from ..sandbox import command  # noqa: PLC0415 - %load_ext stays fast

        if options.help or verb == "help":
            super().run_verb(verb, options, target)
            return
        if verb == "status":
            from ..views import display, home  # noqa: PLC0415

            display.publish(home.sandbox_bundle())
        elif verb != "reset":
            getattr(command, verb)()
        elif options.yes or confirm(tr(DELETES), "%qfsandbox reset --yes"):
            command.reset(yes=True)
        else:
            print(tr("nothing was deleted"))  # noqa: T201 - what was decided


document_magic(SandboxMagics.qfsandbox, PARSER)
