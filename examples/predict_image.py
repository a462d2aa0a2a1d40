"""Estimate the keypoints of an infant in an image, print them, and write an overlay.

Shows: load a model, search for the person or give its box, read keypoints by name.

Example: python examples/predict_image.py tests/data/infant.jpg --out overlay.jpg
"""

import argparse

import cv2

import fidip


def main() -> None:
    """Predict, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("image")
    parser.add_argument("--out", default="overlay.jpg", help="write the overlay to this file")
    parser.add_argument("--model", default="default", help="packaged name, bundle or checkpoint")
    parser.add_argument("--box", type=float, nargs=4, metavar=("X", "Y", "W", "H"), help="box in px")
    args = parser.parse_args()

    model = fidip.load(args.model)
    bgr = cv2.imread(args.image)
    if bgr is None:
        parser.error(f"{args.image}: not an image that OpenCV can read")
    image = bgr[..., ::-1]  # RGB
    poses = model(image, boxes=[args.box] if args.box else None)
    if not len(poses):
        parser.exit(1, "no infant was found; give its box with --box\n")
    for name in poses.names:
        x, y, score = poses[name][0]  # of the first person
        print(f"{name:15s} x {x:7.1f} px  y {y:7.1f} px  score {score:.2f}")
    cv2.imwrite(args.out, poses.draw(image)[..., ::-1])


if __name__ == "__main__":
    main()
