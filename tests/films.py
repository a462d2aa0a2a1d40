"""Short videos of coloured dots, and a network that sees them: what predicting can be checked against."""

from fractions import Fraction

import av
import numpy as np
import torch
from torch import nn

from fidip.codec import HeatmapCodec
from fidip.pixels import IMAGENET_MEAN, IMAGENET_STD
from fidip.predict.predictor import Predictor
from fidip.skeleton import Skeleton

DOTS = Skeleton("dots", ("red", "green", "blue"), ((1, 2),), (0.1, 0.1, 0.1), ((0, 1), (0, 2)), (0,))
BODY = np.array([[0.0, -24.0], [-20.0, 16.0], [20.0, 16.0]])  # px around the centre
INPUT, MAPS = (64, 64), (16, 16)


class ColourNet(nn.Module):
    """Sees a joint where its colour is, best in the middle as pose nets do, which are made for one person.

    Images (B, 3, H, W) -> features (B, 1, 1, 1), heatmaps (B, 3, H/4, W/4).
    """

    def forward(self, images):
        std, mean = (torch.tensor(v).view(1, 3, 1, 1) for v in (IMAGENET_STD, IMAGENET_MEAN))
        light = (images * std + mean).clamp(0, 1)
        pure = (2 * light - light.sum(1, keepdim=True)).clamp(0, 1)
        x = torch.linspace(-1, 1, images.shape[3] // 4)
        middle = 1 - 0.3 * (x**2 + x[:, None] ** 2)
        return images.new_zeros(len(images), 1, 1, 1), nn.functional.avg_pool2d(pure, 4) * middle


def dots_predictor(**options):
    """A predictor that finds the dots."""
    return Predictor(ColourNet(), HeatmapCodec(MAPS, 1.0, 5), INPUT, DOTS, name="dots", **options)


def dots(centres, size=(160, 120), radius=7):
    """A picture (H, W, 3) with a person of three dots at each centre (x, y); later ones are drawn over earlier."""
    y, x = np.mgrid[: size[1], : size[0]]
    image = np.zeros((size[1], size[0], 3), np.uint8)
    for centre in centres:
        for joint, at in enumerate(BODY + centre):
            near = np.clip(radius + 0.5 - np.hypot(x - at[0], y - at[1]), 0, 1)[..., None]
            colour = 255 * np.eye(3)[joint]
            image = (image * (1 - near) + colour * near).astype(np.uint8)
    return image


def write_film(path, images, times=None, codec="ffv1", pixels="bgr0", **options):
    """Encode RGB pictures, without loss by default; times in ms, 40 apart by default."""
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = pixels
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for index, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = 40 * index if times is None else times[index]
            frame.time_base = Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def turn_film(path, degrees):
    """Write into an .mp4 that it is to be shown turned clockwise, as phones do."""
    cos, sin = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    content = bytearray(path.read_bytes())
    matrix = content.find(b"tkhd") + 44  # the track header's matrix, 16.16 fixed point
    one = 1 << 16
    numbers = [cos * one, sin * one, 0, -sin * one, cos * one, 0, 0, 0, 1 << 30]
    content[matrix : matrix + 36] = np.array(numbers, ">i4").tobytes()
    path.write_bytes(content)
    return path
