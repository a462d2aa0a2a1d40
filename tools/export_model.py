"""Make one file of a network: a bundle for PyTorch, or a graph for onnxruntime or OpenVINO."""

from fidip.cli import exit_on_error
from fidip.commands.export_model import main

if __name__ == "__main__":
    exit_on_error(main)
