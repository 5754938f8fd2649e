"""How a command ends when it cannot do what was asked: a message with the remedy, and an exit code.

1: refused, failed or not found. 2: wrong usage (the command line itself, or a file it names).
"""


class CliError(Exception):
    """Root of what a command reports to the person. `code` is the exit code."""

    code = 1


class Refused(CliError):
    """What was asked for cannot be done, or ended badly."""


class NotFound(CliError):
    """What was named does not exist."""


class Usage(CliError):
    """The command line, or a file it names, is not as the command needs it."""

    code = 2
