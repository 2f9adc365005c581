"""The one base of everything that is told to a person in a sentence instead of a traceback."""

from __future__ import annotations


class Refused(Exception):
    """Something that a person has to put right: its text is a whole sentence, shown without a traceback.

    ``exit_code`` is what the command ends with: 1 where the thing asked about is wrong, 2 for a mistake in the call.
    """

    exit_code: int = 1
