"""The exceptions whose text is meant for the user."""


class Vsj4rError(Exception):
    """Something the user can mend; the text is one clear line saying what, where and what would be right."""


class InputError(Vsj4rError):
    """The input is at fault, and another try would find the same: a batch does not try again."""


class UnsteadyError(Vsj4rError):
    """The source filter decoded a frame otherwise than before: opened again, with one thread, it may not."""


class DiskFullError(Vsj4rError):
    """No room is left where something is to be written."""
