"""Find the joints of infants in pictures and videos."""

from fidip.cli import exit_on_error
from fidip.commands.predict import main

if __name__ == "__main__":
    exit_on_error(main)
