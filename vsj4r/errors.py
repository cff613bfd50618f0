"""The one exception whose text is meant for the user."""


class Vsj4rError(Exception):
    """Something the user can mend; the text is one clear line saying what, where and what would be right."""
