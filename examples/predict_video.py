"""Estimate the keypoints of an infant in a video, smooth them, and export a table and an overlay video.

Shows: follow a person through a video of any length, resume, smooth, export.

Example: python examples/predict_video.py baby.mp4 --out predictions
"""

import argparse
from pathlib import Path

import fidip
from fidip.predict.export import EXPORTS
from fidip.predict.follow import Follower, Plan, predict_source
from fidip.predict.smoothing import smooth_file
from fidip.predict.sources import find_sources


def main() -> None:
    """Predict, smooth and export."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--out", type=Path, default=Path("predictions"), help="folder of the results")
    parser.add_argument("--model", default="default", help="packaged name, bundle or checkpoint")
    args = parser.parse_args()

    model = fidip.load(args.model, flip=False)
    (source,) = find_sources([str(args.video)])
    args.out.mkdir(parents=True, exist_ok=True)
    follower = Follower(model, Plan())  # Plan: boxes, a region or a detector, if you have them
    poses = predict_source(source, follower, args.out / f"{args.video.stem}.poses.jsonl", model.name)
    smooth = smooth_file(poses, args.out / f"{args.video.stem}.smooth.poses.jsonl", "savgol")
    for name in ("csv", "video"):
        print(*EXPORTS[name](smooth, args.video, args.out))


if __name__ == "__main__":
    main()
