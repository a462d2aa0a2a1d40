"""Run ``fidip train`` with an adaptive config of a resnet network."""

from fidip.cli import script

if __name__ == "__main__":
    script("train", net="resnet", adaptive=True)
