"""Run ``fidip domain-gap``."""

from fidip.cli import script

if __name__ == "__main__":
    script("domain-gap")
