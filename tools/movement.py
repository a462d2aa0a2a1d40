"""Run ``fidip movement``."""

from fidip.cli import script

if __name__ == "__main__":
    script("movement")
