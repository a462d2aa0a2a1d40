"""Fine-tune the packaged MoveNet Lightning on your own annotations, and test it.

Shows: load a config, override keys, train with resume, read the metrics. The default of 200 steps is a start.

Example: python examples/train_on_own_data.py data/own train_own test_own --out runs
"""

import argparse

import fidip
from fidip.config import find_config
from fidip.training import run_training


def main() -> None:
    """Train, test and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("root", help="folder with annotations/person_keypoints_SPLIT.json and images/SPLIT/")
    parser.add_argument("train", help="name of the training split")
    parser.add_argument("test", help="name of the test split, of other infants")
    parser.add_argument("--steps", type=int, default=200, help="optimiser steps")
    parser.add_argument("--out", default="output", help="folder of the run folders")
    args = parser.parse_args()

    keys = {
        "DATASET.ROOT": args.root, "DATASET.TRAIN_SET": args.train, "DATASET.TEST_SET": args.test,
        "DATASET.DOMAIN": "all", "OUTPUT_DIR": args.out, "LOG_DIR": f"{args.out}/log",
        "TRAIN.END_STEP": str(args.steps), "TRAIN.WARMUP_STEPS": str(min(20, args.steps // 2)), "WORKERS": "0",
    }  # fmt: skip
    file = "movenet/lightning_syrip.yaml"
    config = fidip.load_config(file, [text for pair in keys.items() for text in pair])
    outcome = run_training(config, find_config(file))
    metrics = outcome.tests["last"].metrics
    print({name: metrics[name] for name in ("AP", "AP50", "AR")}, "from", metrics["n_images"], "images")


if __name__ == "__main__":
    main()
