"""The error a user's mistake raises, and the exit codes of the program."""

EXIT_FAILURE, EXIT_USER_ERROR, EXIT_INTERRUPTED = 1, 2, 130


class UserError(ValueError):
    """A mistake the user can mend: one sentence saying what, where and what to do.

    The command line prints the sentence and exits with 2; Python callers may catch it as a
    ``ValueError``.
    """
