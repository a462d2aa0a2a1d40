"""Run ``fidip benchmark backends``."""

from fidip.cli import script

if __name__ == "__main__":
    script("benchmark backends")
