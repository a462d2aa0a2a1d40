"""Measure the movement in the poses of a video, and print speeds beside their noise floors.

Shows: read NAME.poses.jsonl, measure, compare each speed with what noise alone would give. Research use, not diagnostic.

Example: python examples/measure_movement.py predictions/baby.poses.jsonl --out predictions
"""

import argparse
from pathlib import Path

from fidip.motion.movement import MovementOptions, measure, write_movement
from fidip.predict.pose_file import PoseFile


def main() -> None:
    """Measure, print and write tables and figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("poses", type=Path, help="NAME.poses.jsonl, as predict_video.py writes it")
    parser.add_argument("--out", type=Path, default=Path("movement"), help="folder of tables and figures")
    parser.add_argument("--body-length", type=float, help="in px (default: measured)")
    args = parser.parse_args()

    movement = measure(PoseFile(args.poses), MovementOptions(body_length=args.body_length))
    for track in movement.tracks:
        print(f"track {track.track}: {track.duration:.1f} s, body length {track.body_length:.0f} px")
        for name, values in track.joints.items():
            speed, floor = values["speed_mean"], values["speed_floor"]
            if speed is not None and floor is not None:
                verdict = "above the noise" if speed > 2 * floor else "not told from noise"
                print(f"  {name:15s} {speed:.2f} body lengths/s, noise floor {floor:.2f}: {verdict}")
    args.out.mkdir(parents=True, exist_ok=True)
    print(*write_movement(movement, args.out, args.poses.name.removesuffix(".poses.jsonl")))


if __name__ == "__main__":
    main()
