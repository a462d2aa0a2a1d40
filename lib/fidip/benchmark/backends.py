"""Time one forward pass of a network in PyTorch, onnxruntime and OpenVINO, in one process, in turns."""

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fidip.build import build_model, image_size
from fidip.config import Config
from fidip.deploy.onnx import OnnxNet, export_onnx
from fidip.deploy.openvino import OpenVinoNet
from fidip.environment import seed_everything
from fidip.errors import ConfigError
from fidip.pixels import normalise

EAGER = "torch, eager"


@dataclass(frozen=True)
class BackendTimes:
    """Times of one forward pass, s, by backend; measured in turns.

    wall: by the clock. work: of the processor, over all threads; other programs hardly disturb it, and with one
    thread on a machine that is idle both are the same. setting: what was timed, and how.
    """

    wall: Mapping[str, list[float]]
    work: Mapping[str, list[float]]
    setting: Mapping[str, Any]

    def median_ms(self, backend: str) -> float:
        """The middle time by the clock."""
        return 1e3 * statistics.median(self.wall[backend])

    def work_ms(self, backend: str) -> float:
        """The middle time of the processor."""
        return 1e3 * statistics.median(self.work[backend])

    def ratio(self, backend: str) -> float:
        """How many times faster than eager PyTorch by the clock: ratio of the medians."""
        return self.median_ms(EAGER) / self.median_ms(backend)

    def work_ratio(self, backend: str) -> float:
        """How many times less work than eager PyTorch: ratio of the medians."""
        return self.work_ms(EAGER) / self.work_ms(backend)

    def table(self) -> str:
        """The result in words and numbers."""
        setting = self.setting
        lines = [
            f"{setting['config']}: {setting['width']}x{setting['height']} px, batch {setting['batch']}, "
            f"cpu with {setting['threads']} threads, {setting['turns']} passes each in turns",
            f"{'':14}{'median ms':>11}{'faster':>8}{'processor ms':>14}{'less work':>11}",
        ]
        lines += [
            f"{name:14}{self.median_ms(name):11.1f}{self.ratio(name):8.2f}{self.work_ms(name):14.1f}"
            f"{self.work_ratio(name):11.2f}"
            for name in self.wall
        ]
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """Everything, for a file."""
        times = {
            name: {
                "median_ms": self.median_ms(name),
                "ratio": self.ratio(name),
                "work_ms": self.work_ms(name),
                "work_ratio": self.work_ratio(name),
                "all_ms": [1e3 * seconds for seconds in self.wall[name]],
                "all_work_ms": [1e3 * seconds for seconds in self.work[name]],
            }
            for name in self.wall
        }
        return {**self.setting, "backends": times}


def benchmark_backends(
    settings: Config, name: str, batch: int = 1, turns: int = 20, warmup: int = 3, threads: int = 1
) -> BackendTimes:
    """Time the network of a config, with random weights, on noise: normalised crops in, heatmaps out.

    turns, warmup: timed and untimed passes of each backend. threads: of each. Raises ConfigError for numbers that
    are not positive and without the packages, FidipError for a network that cannot be exported.
    """
    if batch < 1 or turns < 1 or warmup < 0 or threads < 1:
        raise ConfigError("--batch, --turns and --threads must be at least 1, --warmup not negative")
    seed_everything(0)
    model = build_model(settings).eval()
    width, height = image_size(settings)
    pixels = normalise(torch.randint(0, 256, (batch, 3, height, width), dtype=torch.uint8))
    with tempfile.TemporaryDirectory() as folder:
        file = export_onnx(settings, model, Path(folder) / "graph.onnx")
        nets: dict[str, nn.Module] = {
            EAGER: model,
            "onnxruntime": OnnxNet(file, "cpu", threads),
            "openvino": OpenVinoNet(file, threads),
        }
        setting = {
            "config": name,
            "width": width,
            "height": height,
            "batch": batch,
            "threads": threads,
            "turns": turns,
        }
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            return BackendTimes(*_time_in_turns(nets, pixels, turns, warmup), setting)
        finally:
            torch.set_num_threads(before)


def _time_in_turns(
    nets: Mapping[str, Callable[[Tensor], Any]], pixels: Tensor, turns: int, warmup: int
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Times by the clock and of the processor, s."""
    wall: dict[str, list[float]] = {name: [] for name in nets}
    work: dict[str, list[float]] = {name: [] for name in nets}
    with torch.inference_mode():
        for turn in range(-warmup, turns):
            for name, net in nets.items():
                start, begin = time.perf_counter(), time.process_time()
                net(pixels)
                if turn >= 0:
                    wall[name].append(time.perf_counter() - start)
                    work[name].append(time.process_time() - begin)
    return wall, work
