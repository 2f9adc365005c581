"""One module for each command (or small family of them); ``monitor.cli`` imports one only when it is called.

A module holds a click command under the command's own name (``-`` becomes ``_``; ``import`` is ``import_``).
"""
