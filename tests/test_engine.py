"""The loop and what surrounds it, against the same arithmetic written by hand."""

import copy
import logging
import math

import pytest
import torch
from accelerate import Accelerator
from tensorboardX import SummaryWriter
from torch import nn
from torch.utils.data import DataLoader, Dataset
from training_setup import TinyNet, assert_same_state, batch_of, forget_processes, small_classifier, state_of

from fidip.data.sampler import EpochBatches
from fidip.engine import LearningRate, Monitor, Stage, Trainer, make_optimizer
from fidip.engine.loop import TrainerOptions
from fidip.engine.schedule import OptimizerOptions
from fidip.errors import FidipError
from fidip.progress import time_in_words
from fidip.tasks import AdaptivePoseTask, DomainWarmupTask, PoseTask, Strength


class Samples(Dataset):
    """The samples of one random batch."""

    def __init__(self, count):
        self.batch = batch_of(count)

    def __getitem__(self, draw):
        return {name: value[draw[0]] for name, value in self.batch.items()}


def stage_of(task, batch_size=4, count=16, epochs=2, rate=None, shuffle=True, **options):
    options = {"lr": 0.01, **options}
    batches = EpochBatches([i % 2 == 1 for i in range(count)], batch_size, seed=5, shuffle=shuffle)
    loader = DataLoader(Samples(count), batch_sampler=batches, generator=torch.Generator())
    return Stage("pose", task, lambda task: make_optimizer(task, OptimizerOptions(**options)), loader, batches,
                 epochs, rate or LearningRate())  # fmt: skip


@pytest.fixture
def trainer(tmp_path):
    """Make a trainer of stages in a folder."""
    forget_processes()

    def make(stages, model, classifier=None, folder=tmp_path / "run", **options):
        return Trainer(stages, model, classifier, Accelerator(cpu=True), folder, "key", Monitor(None, 2),
                       keep=lambda net, name: None, options=TrainerOptions(**options))  # fmt: skip

    return make


class Frozen(PoseTask):
    """A pose net with fixed statistics: samples do not see each other."""

    def train(self, mode=True):
        super().train(mode)
        return self.eval() if mode else self


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_weight_decay_decays(name):
    net = TinyNet()
    decayed = make_optimizer(net, OptimizerOptions(name, lr=0.1, weight_decay=0.5, momentum=0.0))
    before = [p.detach().clone() for p in net.parameters()]
    for parameter in net.parameters():
        parameter.grad = torch.zeros_like(parameter)
    decayed.step()
    for old, new in zip(before, net.parameters(), strict=True):
        if name == "adam":  # the decay is the whole gradient, and the first step of adam is lr * sign
            expected = old - 0.1 * 0.5 * old / (0.5 * old.abs() + 1e-8)
        else:
            expected = old * (1 - 0.1 * 0.5)
        torch.testing.assert_close(new, expected)


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_memory_layout_and_a_reloaded_state_do_not_matter(name):
    """Fused kernels walk through memory: weights, gradients and moments must lie in it alike."""
    ends = []
    for layout in (torch.contiguous_format, torch.channels_last):
        net = TinyNet().to(memory_format=layout)
        optimizer = make_optimizer(net, OptimizerOptions(name, lr=0.01, weight_decay=0.1))
        for step in range(4):
            if step == 2:
                state = copy.deepcopy(optimizer.state_dict())
                optimizer = make_optimizer(net, OptimizerOptions(name, lr=0.01, weight_decay=0.1))
                optimizer.load_state_dict(state)
            random = torch.Generator().manual_seed(step)
            for p in net.parameters():
                p.grad = torch.empty_like(p).copy_(torch.randn(p.shape, generator=random))
            optimizer.step()
        ends.append([p.detach() for p in net.parameters()])
    torch.testing.assert_close(*ends, atol=1e-7, rtol=1e-6)


def test_momentum_and_nesterov_reach_sgd():
    (group,) = make_optimizer(TinyNet(), OptimizerOptions("sgd", momentum=0.7, nesterov=True)).param_groups
    assert group["momentum"] == 0.7 and group["nesterov"] is True


def test_the_classifier_has_a_rate_of_its_own():
    net, classifier = TinyNet(), small_classifier()
    task = AdaptivePoseTask(net, classifier, Strength(0.1), frozen=["stem"])
    pose, domain = make_optimizer(task, OptimizerOptions(lr=0.1, classifier_lr=0.3)).param_groups
    assert pose["lr"] == 0.1 and len(pose["params"]) == len([*net.parameters()]) - 4
    assert domain["lr"] == 0.3 and len(domain["params"]) == len([*classifier.parameters()])
    both = make_optimizer(task, OptimizerOptions(lr=0.1)).param_groups
    assert [group["lr"] for group in both] == [0.1, 0.1]


def test_learning_rates_by_hand():
    step = LearningRate("step", milestones=(2, 4), factor=0.1)
    assert [step(epoch, 0, 1) for epoch in range(6)] == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])
    warm = LearningRate("step", milestones=(), warmup_steps=4)
    assert [warm(0, i, 100) for i in range(6)] == [0.25, 0.5, 0.75, 1, 1, 1]
    cosine = LearningRate("cosine")
    expected = [1, 0.5 + math.sqrt(0.5) / 2, 0.5, 0.5 - math.sqrt(0.5) / 2]
    assert [cosine(0, i, 4) for i in range(4)] == pytest.approx(expected)
    both = LearningRate("cosine", warmup_steps=2)
    assert both(0, 0, 4) == pytest.approx(0.5) and both(0, 2, 4) == pytest.approx(0.5)


def test_the_loop_sets_the_rate_of_each_group_before_each_step(trainer):
    net, classifier, seen = TinyNet(), small_classifier(), []
    made = stage_of(lambda: AdaptivePoseTask(net, classifier, Strength(0.1)), rate=LearningRate("step", (1,), 0.1, 3),
                    lr=0.6, classifier_lr=0.3)  # fmt: skip

    def watched(task):
        optimizer = make_optimizer(task, OptimizerOptions("sgd", lr=0.6, classifier_lr=0.3))
        optimizer.register_step_pre_hook(lambda o, *_: seen.append([g["lr"] for g in o.param_groups]))
        return optimizer

    trainer([Stage(**{**made.__dict__, "optimizer": watched})], net, classifier).fit()
    factors = [1 / 3, 2 / 3, 1, 1, 0.1, 0.1, 0.1, 0.1]
    assert [pose for pose, _ in seen] == pytest.approx([0.6 * f for f in factors])
    assert [domain for _, domain in seen] == pytest.approx([0.3 * f for f in factors])


def test_ema_is_the_recursion_by_hand(trainer):
    net, by_hand = TinyNet(), None
    decay, history = 0.3, []  # reached at the fourth step
    stage = stage_of(lambda: PoseTask(net), lr=0.05)
    run = trainer([stage], net, ema=decay)
    run.draw = lambda model, batch, step: history.append((state_of(net), state_of(model)))
    run.fit()
    assert len(history) == 8
    for count, (weights, mean) in enumerate(history):
        share = min(decay, (1 + count) / (10 + count))  # a young mean moves faster
        weights = {name: value for name, value in weights.items() if value.is_floating_point()}
        if by_hand is None:
            by_hand = weights  # it starts from the weights after the first step
        else:
            by_hand = {name: share * by_hand[name] + (1 - share) * value for name, value in weights.items()}
        torch.testing.assert_close({name: mean[name] for name in by_hand}, by_hand)
    assert run.result() is not net


def test_blending_mixes_the_start_into_what_is_kept(trainer):
    net, kept = TinyNet(), {}
    start = state_of(net)
    stage = Stage(**{**stage_of(lambda: PoseTask(net), lr=0.05).__dict__, "selects": True})
    run = trainer([stage], net, blend=0.3)
    run.keep = lambda model, name: kept.update({name: state_of(model)})
    run.fit()
    for name, parameter in net.named_parameters():
        expected = 0.3 * start[name] + 0.7 * parameter.detach()
        torch.testing.assert_close(kept["last"][name], expected)
        assert not torch.equal(parameter, start[name])  # training itself goes on unblended


def test_accumulated_batches_equal_one_batch_of_twice_the_size(trainer, tmp_path):
    start, ends = TinyNet(), []
    for size, accumulate in ((8, 1), (4, 2), (2, 4)):
        net = copy.deepcopy(start)
        stage = stage_of(lambda net=net: Frozen(net), batch_size=size, epochs=3)
        position = trainer([stage], net, folder=tmp_path / str(size), accumulate=accumulate).fit()
        assert position.total_step == 6
        ends.append(state_of(net))
    for end in ends[1:]:
        torch.testing.assert_close(end, ends[0], atol=1e-6, rtol=0)
    assert not torch.equal(ends[0]["head.weight"], start.head.weight)


def test_an_incomplete_group_at_the_end_of_an_epoch_is_a_step_of_its_mean(trainer):
    net = TinyNet()
    by_hand = copy.deepcopy(net)
    stage = stage_of(lambda: Frozen(net), batch_size=4, count=12, epochs=1, shuffle=False, name="sgd", lr=1.0)
    assert trainer([stage], net, accumulate=2).fit().total_step == 2
    data, task = Samples(12).batch, Frozen(by_hand).train()
    optimizer = make_optimizer(task, OptimizerOptions("sgd", lr=1.0))
    for part in (slice(0, 8), slice(8, 12)):
        optimizer.zero_grad()
        task({name: value[part] for name, value in data.items()}, 0.0).losses["pose"].backward()
        optimizer.step()
    torch.testing.assert_close(state_of(net), state_of(by_hand), atol=1e-6, rtol=0)


def test_clipping_limits_the_norm_of_the_gradient(trainer):
    net, norms = TinyNet(), []
    made = stage_of(lambda: PoseTask(net))

    def watched(task):
        optimizer = make_optimizer(task, OptimizerOptions("sgd", lr=0.01))
        optimizer.register_step_pre_hook(
            lambda *_: norms.append(nn.utils.get_total_norm([p.grad for p in net.parameters()]).item())
        )
        return optimizer

    stage = Stage(**{**made.__dict__, "optimizer": watched})
    trainer([stage], net).fit()
    free = norms[:]
    norms.clear()
    trainer([stage], net, clip=1e-3).fit(resume=False)
    assert min(free) > 2e-3 and norms == pytest.approx([1e-3] * 8, rel=1e-2)


def test_stages_follow_each_other_and_the_position_counts_them(trainer):
    net, classifier = TinyNet(), small_classifier()
    start = state_of(net)
    stages = [stage_of(lambda: DomainWarmupTask(net, classifier), epochs=1),
              stage_of(lambda: AdaptivePoseTask(net, classifier, Strength(0.1)), epochs=2)]  # fmt: skip
    run = trainer(stages[:1], net, classifier)
    run.fit()
    assert_same_state(start, state_of(net))
    run = trainer(stages, net, classifier)
    position = run.fit()
    assert (position.stage, position.epoch, position.batch, position.total_step) == (2, 0, 0, 12)
    assert not torch.equal(start["stem.0.weight"], net.stem[0].weight)


def test_a_loss_that_is_not_finite_stops_and_keeps_the_batch(trainer, tmp_path):
    net = TinyNet()
    stage = stage_of(lambda: PoseTask(net))
    stage.loader.dataset.batch["target"][3] = float("nan")
    with pytest.raises(FidipError, match=r"not finite at step \d+ \(pose nan\).*TRAIN\.LR") as stop:
        trainer([stage], net).fit()
    file = tmp_path / "run" / "bad_batch_0.pt"
    assert str(file) in str(stop.value)
    bad = torch.load(file, weights_only=True)
    assert bad["batch"]["target"].isnan().any() and bad["losses"]["pose"].isnan()


def shown(caught, figures, steps, main=True):
    """What a monitor says about equal figures of 16 samples each, four a line."""
    monitor = Monitor(None, 4, main)
    monitor.begin_epoch("pose epoch 1/1", steps, 0)
    for step in range(steps):
        monitor.step({k: torch.tensor(v) for k, v in figures.items()}, 16, 0.5, step)
    monitor.close()
    return caught.messages


def test_progress_lines_carry_means_rate_and_time_left(caught):
    lines = shown(caught, {"pose": 0.25}, 6)
    assert len(lines) == 2
    assert lines[0].startswith("pose epoch 1/1: 4/6, pose 0.25, lr 0.5, images_per_s ")
    assert lines[0].endswith(" s left") and lines[1].startswith("pose epoch 1/1: 6/6")


def test_the_time_left_is_that_of_all_epochs_to_come(caught, monkeypatch):
    clock = iter(range(0, 10**6, 5))  # each look at it takes 5 s
    monkeypatch.setattr("fidip.engine.observe.time.monotonic", lambda: next(clock))
    monitor = Monitor(None, 1)
    monitor.begin_epoch("pose epoch 1/3", 2, 0, later=700)
    for step in range(2):
        monitor.step({"pose": torch.tensor(1.0)}, 16, 0.5, step)
    assert caught.messages[-1].endswith(" 1 h 57 min left")  # 700 batches of two looks


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (99.4, "99 s"),
        (100, "2 min"),
        (5940, "99 min"),
        (6000, "1 h 40 min"),
        (90000, "25 h 0 min"),
    ],
)
def test_waiting_times_are_as_exact_as_one_wants_them(seconds, words):
    assert time_in_words(seconds) == words


@pytest.mark.parametrize(
    ("accuracy", "words"),
    [(1.0, "saturated"), (0.2, "below chance"), (0.5, None), (0.9, None)],
)
def test_alarms_are_words_once_an_epoch(caught, accuracy, words):
    shown(caught, {"domain_accuracy": accuracy}, 12)
    warnings = [r.getMessage() for r in caught.records if r.levelno == logging.WARNING]
    assert len(warnings) == (words is not None)
    assert words is None or (words in warnings[0] and "TRAIN.LAMBDA" in warnings[0])


def test_a_few_samples_give_no_alarm(caught):
    shown(caught, {"domain_accuracy": 0.0}, 3)
    assert [r for r in caught.records if r.levelno == logging.WARNING] == []


def test_other_processes_are_silent(caught):
    assert shown(caught, {"domain_accuracy": 1.0}, 8, main=False) == []


def test_a_monitor_of_another_process_writes_nothing(tmp_path):
    assert Monitor(tmp_path / "log", 1, main=False).writer is None
    assert isinstance(Monitor(tmp_path / "log", 1).writer, SummaryWriter)
