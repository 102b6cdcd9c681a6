"""`%qfdoctor`: versions, folders, keys and platform, without secrets, and what is wrong."""

from argparse import Namespace

from IPython.core.magic import line_magic, magics_class, no_var_expand

from .. import doctor
from ..base.language import tr_noop
from .parser import document_magic
from .verb_magic import VerbMagics, VerbParser

PARSER = VerbParser(
    "%qfdoctor",
    tr_noop("Versions, folders, keys and platform, without secrets, and what is wrong."),
    tr_noop("  %qfdoctor\n  %qfdoctor --offline   (does not ask the platform)"),
    ("show",),
)
PARSER.add_option(
    "--offline", action="store_true", help=tr_noop("do not ask the platform"), verbs=("show",)
)


def show_report(*, reach: bool = True) -> None:
    """Show what `doctor.examine` finds; with `reach` the platform is asked, too."""
    from ..views import display, home  # noqa: PLC0415 - %load_ext stays fast

    display.publish(home.findings_bundle(doctor.examine(reach=reach)))


@magics_class
class DoctorMagics(VerbMagics):
    """The report of `qfnb doctor` in a cell."""

    parser = PARSER
    default_verb = "show"
    needs_verb = True
    takes_target = False

    @no_var_expand
    @line_magic
    def qfdoctor(self, line: str) -> None:
        self.run_line(line)

    def do_show(self, options: Namespace, target: str) -> None:
        show_report(reach=not options.offline)


document_magic(DoctorMagics.qfdoctor, PARSER)
