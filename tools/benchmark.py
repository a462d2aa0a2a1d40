"""Run ``fidip benchmark step``."""

from fidip.cli import script

if __name__ == "__main__":
    script("benchmark step")
