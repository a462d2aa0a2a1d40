"""Run ``fidip prepare adults``."""

from fidip.cli import script

if __name__ == "__main__":
    script("prepare adults")
