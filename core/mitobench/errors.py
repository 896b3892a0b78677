"""The errors that mitobench raises on purpose, each mapped to one exit code.

A message says what was found, what was expected and what to do. The command line prints it as one line and ends with
``exit_code``; a traceback appears only with ``--debug``.
"""

__all__ = [
    "INTERRUPTED",
    "ContractError",
    "DataError",
    "DeviceMemoryError",
    "MissingError",
    "MitobenchError",
    "RegressionError",
    "ResourceError",
    "UsageError",
]

INTERRUPTED = 130
"""The exit code of what was stopped (Ctrl-C, SIGTERM) before it was done; 128 + SIGINT, as shells have it."""


class MitobenchError(Exception):
    """Base of every error that a user can act on."""

    exit_code = 1


class ContractError(MitobenchError):
    """A component broke its interface: wrong shape or dtype, NaN, a score above one. Its cell fails; the others go on."""


class UsageError(MitobenchError):
    """A command, option, spec, plan or run folder that makes no sense as given."""

    exit_code = 2


class DataError(MitobenchError):
    """Input data that cannot be used as they are: unpaired, truncated, ambiguous, of the wrong shape or type."""

    exit_code = 3


class MissingError(MitobenchError):
    """A plugin, a distribution, weights or the network that are needed and not there (or not what they should be)."""

    exit_code = 4


class ResourceError(MitobenchError):
    """Memory or disk space ran out."""

    exit_code = 5


class DeviceMemoryError(ResourceError):
    """The accelerator's memory ran out; the runner answers with a smaller batch before the cell fails."""


class RegressionError(MitobenchError):
    """A comparison found the second cell worse than the first by more than was allowed; nothing else went wrong."""

    exit_code = 6
