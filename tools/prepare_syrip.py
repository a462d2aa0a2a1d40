"""Run ``fidip prepare syrip``."""

from fidip.cli import script

if __name__ == "__main__":
    script("prepare syrip")
