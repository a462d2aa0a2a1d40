"""Run ``fidip prepare pretraining``."""

from fidip.cli import script

if __name__ == "__main__":
    script("prepare pretraining")
