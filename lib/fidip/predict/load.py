"""Load the packaged default, another packaged model, a bundle, or a checkpoint with its config."""

from pathlib import Path

from fidip.config import load_settings
from fidip.deploy.backends import BACKENDS
from fidip.errors import ConfigError
from fidip.packaged import DEFAULT, packaged_models
from fidip.predict.predictor import Predictor


def load(
    model: str | Path = "default",
    device: str = "auto",
    flip: bool = True,
    batch: int = 16,
    backend: str = "auto",
) -> Predictor:
    """Load a pose network that is ready to use.

    Args:
        model: "default", the name of packaged weights (``fidip weights``), a bundle (.safetensors, .onnx, .xml), or a
            checkpoint whose run folder has its config.yaml.
        device: auto, cpu, cuda, cuda:N or mps.
        flip: average with the mirrored image: 2 AP more with the default model, half the speed.
        batch: crops that go through the network together.
        backend: what runs the network: auto, torch, openvino, or onnxruntime (for an .onnx).

    Raises:
        ConfigError: for an unknown name, and for a checkpoint without a config.
        WeightsError, DataError: for a file that cannot be used.
    """
    packaged = packaged_models()
    facts = packaged.get(DEFAULT if str(model) == "default" else str(model))
    if facts is not None:
        settings = load_settings(facts.config)
        predictor = Predictor.from_checkpoint(settings, facts.name, device, flip, batch)
        predictor.title = f"{facts.title} ({facts.licence}, {facts.holder})"
        return run_by(predictor, backend)
    path = Path(model)
    if not path.is_file():
        raise ConfigError(
            f"unknown model {str(model)!r}: no such file, and packaged are {', '.join(packaged)}; see `fidip weights`"
        )
    config = path.parent / "config.yaml"
    if path.suffix in BACKENDS and not (path.suffix == ".safetensors" and config.is_file()):
        predictor = Predictor.from_bundle(path, device, flip, batch, backend)
    elif config.is_file():
        predictor = run_by(
            Predictor.from_checkpoint(load_settings(config), path, device, flip, batch), backend
        )
    else:
        raise ConfigError(
            f"checkpoint {path}: there is no config.yaml beside it; name its config with --cfg FILE, or give a bundle "
            f"({', '.join(BACKENDS)})"
        )
    predictor.title = f"{path.name}, under the licence of those who trained it"
    return predictor


def run_by(predictor: Predictor, backend: str) -> Predictor:
    """Have a checkpoint's network run by auto, torch or openvino. Raises ConfigError for another backend."""
    if backend == "openvino":
        predictor.accelerate()
    elif backend not in ("auto", "torch"):
        raise ConfigError(
            f"backend {backend!r} needs an exported network as model; make one with `fidip export --format onnx`"
        )
    return predictor


def load_named(
    model: str | None,
    bundle: Path | None,
    device: str = "auto",
    flip: bool = True,
    batch: int = 16,
    backend: str = "auto",
) -> Predictor:
    """Load what the options --model and --bundle name; the default without either. The rest is as in ``load``."""
    if bundle is None:
        return load(model or "default", device, flip, batch, backend)
    predictor = Predictor.from_bundle(bundle, device, flip, batch, backend)
    predictor.title = f"{bundle.name}, under the licence of those who trained it"
    return predictor
