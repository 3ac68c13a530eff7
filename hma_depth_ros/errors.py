"""The errors that a user can cause and mend; everything else is a bug and keeps its traceback."""


class HmaDepthError(Exception):
    """Base of all errors whose message alone tells what is wrong and what to do.

    Executables print the message in one line and end with status 2; the node logs it and goes on.
    """
