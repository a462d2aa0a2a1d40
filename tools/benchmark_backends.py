"""Time one forward pass of a network in PyTorch, onnxruntime and OpenVINO; no weights or data set are needed."""

from fidip.cli import exit_on_error
from fidip.commands.benchmark_backends import main

if __name__ == "__main__":
    exit_on_error(main)
