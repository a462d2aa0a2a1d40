"""Run ``fidip serve``."""

from fidip.cli import script

if __name__ == "__main__":
    script("serve")
