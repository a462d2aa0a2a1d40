"""Run ``fidip prepare mini-rgbd``."""

from fidip.cli import script

if __name__ == "__main__":
    script("prepare mini-rgbd")
