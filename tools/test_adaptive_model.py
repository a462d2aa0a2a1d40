"""Run ``fidip test`` under its published name."""

from fidip.cli import script

if __name__ == "__main__":
    script("test")
