"""`python -m fidip` is the command `fidip`."""

from fidip.cli import console

console()
