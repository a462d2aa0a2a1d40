"""Run ``fidip train`` with a config that adapts to a domain."""

from fidip.cli import script

if __name__ == "__main__":
    script("train", adaptive=True)
