"""The exceptions whose text is meant for the user."""


class Vsj4rError(Exception):
    """Something the user can mend; the text is one clear line saying what, where and what would be right."""


class DiskFullError(Vsj4rError):
    """No room is left where something is to be written."""
