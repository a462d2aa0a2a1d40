"""Two processes learn what one with the joined batch learns."""

import copy
import json
import os
import shutil
import socket
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
import torch
from running import command
from torch import nn
from training_setup import CONFIG, TinyNet, batch_of, forget_processes, small_classifier, write_place

from fidip.build import build_model
from fidip.config import load_config
from fidip.engine.schedule import OptimizerOptions, make_optimizer
from fidip.loading import build_validation
from fidip.models.sync_batchnorm import JoinedBatchNorm, join_batchnorm
from fidip.stages import build_accelerator
from fidip.tasks import AdaptivePoseTask, DomainWarmupTask, Strength
from fidip.training import _validate as validate

train_main = command("train")

ROOT = Path(__file__).parents[1]
STEPS = 10


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return str(found.getsockname()[1])


def launch(place, job, *arguments, world=2):
    """Run a job below in ``world`` processes, with what torchrun would set; returns what each wrote."""
    command = [sys.executable, __file__, str(world), free_port(), job, *arguments]
    done = subprocess.run(command, cwd=place, text=True, capture_output=True, timeout=300)
    written = [(place / f"rank{rank}.log").read_text() for rank in range(world)]
    assert done.returncode == 0, "\n".join([done.stderr, *written])
    return written


def main(world, port, job, *arguments):
    """Import once, then fork a process for each rank."""
    torch.set_num_threads(1)
    children = [os.fork() or run_rank(rank, world, port, job, arguments) for rank in range(int(world))]
    statuses = [os.waitpid(child, 0)[1] for child in children]
    sys.exit(any(statuses))


def run_rank(rank, world, port, job, arguments):
    """Never returns."""
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": world, "MASTER_ADDR": "127.0.0.1",
                   "MASTER_PORT": port}  # fmt: skip
    log = os.open(f"rank{rank}.log", os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    try:
        JOBS[job](*arguments)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(1)


def learn(dtype, rank=0, world=1):
    """Classifier pre-training and adaptation on one process's part of each batch; gradients and weights."""
    net, classifier = TinyNet().to(dtype), small_classifier().to(dtype)
    gradients = []
    for make in (
        lambda: DomainWarmupTask(net, classifier),
        lambda: AdaptivePoseTask(net, classifier, Strength(0.3), frozen=["stem.0"]),
    ):
        if world > 1:
            for module in (net, classifier):
                join_batchnorm(module, torch.device("cpu"))
        task = make()
        optimizer = make_optimizer(task, OptimizerOptions("sgd", lr=0.05))
        wrapped = nn.parallel.DistributedDataParallel(task) if world > 1 else task
        for seed in range(STEPS):
            wrapped.train()
            part = {k: (v.to(dtype) if v.is_floating_point() else v)[rank * 8 // world : (rank + 1) * 8 // world]
                    for k, v in batch_of(8, seed).items()}  # fmt: skip
            optimizer.zero_grad()
            torch.stack([*wrapped(part, 0.0).losses.values()]).sum().backward()
            gradients.append([p.grad.clone() for p in task.parameters() if p.grad is not None])
            optimizer.step()
    return gradients, {
        **net.state_dict(),
        **{f"classifier.{k}": v for k, v in classifier.state_dict().items()},
    }


def worst(found, expected):
    """Largest difference over all tensors."""
    return max((a.double() - b.double()).abs().max().item() for a, b in zip(found, expected, strict=True))


def learn_here():
    """One process's part of the test below."""
    torch.distributed.init_process_group("gloo")
    rank = torch.distributed.get_rank()
    for dtype in (torch.float32, torch.float64):
        torch.save(learn(dtype, rank, 2), f"{dtype}{rank}.pth")
    torch.distributed.destroy_process_group()


def test_two_processes_give_the_gradients_and_weights_of_one(tmp_path):
    launch(tmp_path, "learn")
    # in float32 one process is 3e-5 away from float64 itself: a BatchNorm on features that hardly vary
    for dtype, tolerance in ((torch.float32, 1e-4), (torch.float64, 1e-12)):
        expected_gradients, expected = learn(dtype)
        parts = [torch.load(tmp_path / f"{dtype}{rank}.pth", weights_only=True) for rank in (0, 1)]
        for gradients, state in parts:
            assert state.keys() == expected.keys() and len(gradients) == len(expected_gradients) == 2 * STEPS
            assert max(map(worst, gradients, expected_gradients)) < tolerance
            assert worst(state.values(), expected.values()) < tolerance
        assert all(torch.equal(value, parts[1][1][name]) for name, value in parts[0][1].items())
    assert not torch.equal(expected["head.weight"], TinyNet().double().head.weight)


def test_alone_a_joined_batchnorm_is_a_plain_one():
    net = TinyNet()
    joined = join_batchnorm(copy.deepcopy(net), torch.device("cpu"))
    assert sum(isinstance(m, JoinedBatchNorm) for m in joined.modules()) == 2
    assert joined.state_dict().keys() == net.state_dict().keys()
    image = batch_of()["image"]
    for mode in (True, False):
        torch.testing.assert_close(joined.train(mode)(image), net.train(mode)(image))
    torch.testing.assert_close(joined.state_dict(), net.state_dict())


SCRIPT = ROOT / "tools/train_adaptive_model.py"
# stochastic gradient descent: adam divides rounding errors of tiny gradients by themselves
SETTINGS = (
    "TRAIN.PRE_EPOCH",
    "1",
    "TRAIN.EMA",
    "0.5",
    "TRAIN.OPTIMIZER",
    "sgd",
    "TRAIN.LR",
    "0.01",
    "TRAIN.ACCUMULATE",
    "2",
)


def run_folder(place):
    (folder,) = place.glob("output/tiny-*")
    return folder


def trained(place):
    return torch.load(run_folder(place) / "checkpoint.pth", weights_only=True)["states"]


@pytest.fixture
def pair(tmp_path):
    """Two working directories with equal data: for one process with batch 4, and for two with batch 2."""
    one, two = write_place(tmp_path / "one"), write_place(tmp_path / "two")
    (two / "tiny.yaml").write_text(
        CONFIG.replace("BATCH_SIZE_PER_GPU: 4", "BATCH_SIZE_PER_GPU: 2").replace("PRE_BATCH_SIZE_PER_GPU: 6",
                                                                                "PRE_BATCH_SIZE_PER_GPU: 3"))  # fmt: skip
    return one, two


def train_here(place, monkeypatch):
    """The same training in this process alone."""
    forget_processes()
    with monkeypatch.context() as patch:
        patch.chdir(place)
        train_main(["--cfg", "tiny.yaml", *SETTINGS], adaptive=True)


@pytest.mark.slow
def test_the_script_in_two_processes_trains_what_it_trains_in_one(pair, monkeypatch):
    one, two = pair
    train_here(one, monkeypatch)
    written = launch(two, "train", "--cfg", "tiny.yaml", *SETTINGS)
    expected, found = trained(one), trained(two)
    for part in ("model", "companion", "ema"):
        assert worst(found[part].values(), expected[part].values()) < 1e-5, part
    for sub in ("", "last"):
        metrics = [json.loads((run_folder(place) / sub / "metrics.json").read_text()) for place in pair]
        assert metrics[0]["n_images"] == metrics[1]["n_images"] == 4
        assert metrics[0]["AP"] == pytest.approx(metrics[1]["AP"], abs=1e-3)
    assert "epoch" in written[0] and "INFO" not in written[1]
    names = [sorted(p.relative_to(run_folder(place)) for p in run_folder(place).rglob("*")) for place in pair]
    assert names[0] == names[1] and len(list(two.glob("log/*/events*"))) == 1


def validate_here(name):
    """Score a random net on the split mixed; writes the metrics and the ids of the records it added."""
    cfg = load_config("tiny.yaml", ["DATASET.VAL_SET", "mixed", "TEST.BATCH_SIZE_PER_GPU", "2"])
    accelerator = build_accelerator(cfg)
    torch.manual_seed(0)
    validation = build_validation(cfg, accelerator)
    added, add = [], validation.evaluator.add
    validation.evaluator.add = lambda ids, *a, **k: (added.extend(ids), add(ids, *a, **k))
    metrics = validate(cfg, build_model(cfg), validation, accelerator)
    Path(f"{name}{accelerator.process_index}.json").write_text(json.dumps([metrics, sorted(added)]))


def test_a_validation_in_two_processes_counts_each_record_once(tmp_path, monkeypatch):
    monkeypatch.chdir(write_place(tmp_path))
    forget_processes()
    validate_here("one")
    launch(tmp_path, "validate", "two")
    one, first, second = (json.loads(Path(f"{name}.json").read_text()) for name in ("one0", "two0", "two1"))
    assert first[1] == one[1] == list(range(1, 13)) and second[1] == []
    assert first[0] == one[0] == second[0] and one[0]["AP"] is not None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("launcher", "where"),
    [
        (("torch.distributed.run", "--nproc_per_node", "2", "--master_port"), 1),
        # on a CPU accelerate starts several processes with MPI only
        (("accelerate.commands.launch", "--num_processes", "1", "--cpu", "--main_process_port"), 0),
    ],
    ids=["torchrun", "accelerate"],
)
def test_the_usual_launchers_start_it(pair, launcher, where, monkeypatch):
    one, place = pair[0], pair[where]
    train_here(one, monkeypatch)
    expected = trained(one)
    shutil.rmtree(one / "output")
    command = [sys.executable, "-m", *launcher, free_port(), str(SCRIPT), "--cfg", "tiny.yaml", *SETTINGS]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = trained(place)
    assert max(worst(found[part].values(), expected[part].values()) for part in ("model", "companion")) < 1e-5


JOBS = {
    "learn": learn_here,
    "validate": validate_here,
    "train": lambda *arguments: train_main([*arguments], adaptive=True),
}

if __name__ == "__main__":
    main(*sys.argv[1:])
