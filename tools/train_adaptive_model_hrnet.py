"""Run ``fidip train`` with an adaptive config of a hrnet network."""

from fidip.cli import script

if __name__ == "__main__":
    script("train", net="hrnet", adaptive=True)
