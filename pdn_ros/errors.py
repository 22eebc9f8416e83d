"""The one error that users see, and every other error as the line that they read."""


class InputError(ValueError):
    """Bad input: one line that names the input, what is wrong with it and what to do."""


def one_line(error: BaseException) -> str:
    """Return an error as one line for the user."""
    if isinstance(error, InputError):
        text = str(error)
    elif isinstance(error, OSError):
        what = error.strerror or str(error)
        text = f"{error.filename}: {what}" if error.filename else what
    elif isinstance(error, MemoryError):
        text = "out of memory: try smaller images or a smaller --budget"
    else:
        text = f"{type(error).__name__}: {error} (PDN_DEBUG=1 shows where)"
    return " ".join(text.split())
