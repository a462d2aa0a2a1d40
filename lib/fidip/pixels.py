"""Pictures as files and as network input."""

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from fidip.errors import DataError

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # RGB, of values in 0..1
IMAGENET_STD = (0.229, 0.224, 0.225)


def read_rgb(path: Path, exif: bool = False) -> np.ndarray:
    """Read a picture as RGB uint8 (H, W, 3).

    ``exif`` turns it by its EXIF orientation; the labels of COCO and SyRIP refer to unturned pixels.
    Raises DataError when the file is missing, is no picture, or is cut short.
    """
    flags = cv2.IMREAD_COLOR if exif else cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        data = np.fromfile(path, dtype=np.uint8)
        image = cv2.imdecode(data, flags) if data.size else None
    except OSError as error:
        raise DataError(f"picture {path} cannot be read ({error.strerror}); restore it") from error
    except cv2.error as error:
        raise DataError(f"picture {path} cannot be decoded ({error.err}); replace it") from error
    if image is None:
        raise DataError(f"picture {path} is not a readable picture; replace it or leave out its record")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def normalise(images: Tensor, rgb: bool = True) -> Tensor:
    """Turn RGB uint8 (B, 3, H, W) into network input: ImageNet mean and deviation, float32, channels last.

    ``rgb`` False hands the channels over as BGR, with the same mean order, as the oldest published nets do.
    """
    if not rgb:
        images = images.flip(1)
    mean = torch.tensor(IMAGENET_MEAN, device=images.device).view(1, 3, 1, 1) * 255
    std = torch.tensor(IMAGENET_STD, device=images.device).view(1, 3, 1, 1) * 255
    # convolutions are markedly faster on channels-last tensors, on CPUs as on GPUs
    return ((images.float() - mean) / std).contiguous(memory_format=torch.channels_last)
