"""The one error that users see."""


class InputError(ValueError):
    """Bad input: one line that names the input, what is wrong with it and what to do."""
