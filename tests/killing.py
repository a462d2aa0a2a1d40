"""Train in forked processes that are killed at random moments; run as a script by test_kill.py.

Everything is imported once, so that a start takes a second and many kills are affordable. Arguments: number
of kills, seed, longest life in seconds. Prints a JSON report; exits with status 1 when a run ends differently
from the one that was left in peace.
"""

import json
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import torch
from running import command

from fidip.cli import exit_on_error

train_main = command("train")

COMMAND = ["--cfg", "tiny.yaml", "WORKERS", "2", "TRAIN.CHECKPOINT_EVERY", "1", "TRAIN.PRE_EPOCH", "2", "TRAIN.EMA", "0.9",
           "TRAIN.END_EPOCH", "8", "TRAIN.ACCUMULATE", "2", "DATASET.TEST_SET", ""]  # fmt: skip


def start(output):
    """Train in a process group of its own; returns its id."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    os.setsid()
    log = os.open("child.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    try:
        exit_on_error(lambda: train_main([*COMMAND, "--modelDir", output]))
    except SystemExit as stop:
        sys.stderr.flush()
        os._exit(int(stop.code or 0))
    finally:
        os._exit(70)  # an error that is none of the expected ones


def folder_of(output):
    return next(iter(Path(output).glob("tiny-*")), None)


def halves(output):
    """What lies there half-written; the names hold the writer's process id."""
    return {path.name for path in Path(output).rglob(".*.tmp")}


def moment(output, before, position_before):
    """What a process was doing when it was killed; before: what an earlier one had left half-written."""
    left = halves(output) - before
    if any("checkpoint" in name for name in left):
        return "writing a checkpoint"
    if left:
        return "writing another file"
    return "before its first save" if position(output) == position_before else "training"


def position(output):
    """(stage, epoch, batch) of the checkpoint, or nothing."""
    folder = folder_of(output)
    if folder is None or not (folder / "checkpoint.pth").exists():
        return ()
    at = torch.load(folder / "checkpoint.pth", weights_only=True)["position"]
    return at["stage"], at["epoch"], at["batch"]


def states(output):
    """Tensors of everything that was trained."""
    saved = torch.load(folder_of(output) / "checkpoint.pth", weights_only=True)["states"]
    files = {
        name: torch.load(folder_of(output) / f"model_{name}.pth", weights_only=True)
        for name in ("best", "last")
    }
    groups = {**{name: saved[name] for name in ("model", "companion", "ema")}, **files}
    return {f"{group}.{name}": value for group, part in groups.items() for name, value in part.items()}


def live(output, seconds):
    """Whether a life of ``seconds`` was ended by the kill; raises when the process failed by itself."""
    child = start(output)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return True
    if os.WEXITSTATUS(status):
        raise RuntimeError(f"status {os.WEXITSTATUS(status)}:\n{Path('child.log').read_text()[-3000:]}")
    return False


def finish(output, expected):
    """Train to the end; whether it ends as it should, with nothing half-written left."""
    status = os.waitpid(start(output), 0)[1]
    if status:
        raise RuntimeError(f"status {status}:\n{Path('child.log').read_text()[-3000:]}")
    found = states(output)
    same = found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in found)
    return same and not list(Path(output).rglob(".*.tmp"))


def main(kills, seed, longest):
    torch.set_num_threads(1)
    rng, began = random.Random(seed), time.monotonic()
    os.waitpid(start("peace"), 0)
    expected = states("peace")
    moments, seen, rounds, same, lives = Counter(), set(), 0, True, 0
    while sum(moments.values()) < kills:
        lives += 1
        before, left = position("war"), halves("war")
        killed = live("war", rng.uniform(0, longest))
        if killed:
            moments[moment("war", left, before)] += 1
            seen.add(position("war"))
            same &= position("war") >= before  # never back
        if not killed or sum(moments.values()) == kills:
            rounds += 1
            same &= finish("war", expected)
            shutil.rmtree("war")
    report = {"kills": sum(moments.values()), "rounds": rounds, "same": same, "moments": dict(moments),
              "positions": len(seen), "seconds": round(time.monotonic() - began, 1)}  # fmt: skip
    sys.stdout.write(json.dumps(report) + "\n")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
