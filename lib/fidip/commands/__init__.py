"""The commands of ``fidip``, one a module.

A module's docstring describes its command and ends with examples. ``register(parser)`` adds its options, ``run(args)``
runs it and returns the exit status. Heavy imports stand in ``run``, so that ``--help`` answers at once.
"""
