"""Run ``fidip export``."""

from fidip.cli import script

if __name__ == "__main__":
    script("export")
