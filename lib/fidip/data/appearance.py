"""Appearance and occlusion augmentation of crops: colour, blur, noise, compression, erased patches."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

_BLUR_REACH = 3  # the kernel ends at so many standard deviations
_LEAST_BLUR = 0.3  # px; narrower Gaussians change nothing


@dataclass(frozen=True)
class AppearancePolicy:
    """Change how a crop looks, never where its keypoints are. With the defaults nothing changes.

    Args:
        probability: share of the crops to which each of brightness .. jpeg is applied, independently.
        brightness, contrast, saturation: the factor is drawn from 1 - x to 1 + x.
        hue: the shift is drawn from -x to x, as a share of the colour circle (at most 0.5).
        grey: share of the crops that lose their colour.
        blur: largest standard deviation of the Gaussian, crop px.
        noise: largest standard deviation of Gaussian pixel noise, in grey levels of 0..255.
        jpeg: lowest JPEG quality, 1..100; 0: no compression.
        erase: share of the crops in which patches are erased, i.e. filled with noise of one mean colour.
        erase_count: largest number of patches in a crop.
        erase_size: longest side of a patch, as a share of the crop's side.
    """

    probability: float = 0.5
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    grey: float = 0.0
    blur: float = 0.0
    noise: float = 0.0
    jpeg: int = 0
    erase: float = 0.0
    erase_count: int = 3
    erase_size: float = 0.25

    def __call__(self, image: Tensor, rng: np.random.Generator) -> Tensor:
        """Return a changed copy of RGB uint8 (3, H, W); equal states of ``rng`` give equal bytes."""
        # all draws come first, so that switching one effect on or off does not change the others
        chosen = rng.random(7) < self.probability
        strength = rng.uniform(-1, 1, 7)
        greyed, erased = rng.random(2) < (self.grey, self.erase)
        noise_seed, patch_seed = rng.integers(2**32, size=2)
        if erased:
            image = self._erase(image, np.random.default_rng(patch_seed))
        if chosen[0] and self.brightness:
            image = F.adjust_brightness(image, 1 + self.brightness * strength[0])
        if chosen[1] and self.contrast:
            image = F.adjust_contrast(image, 1 + self.contrast * strength[1])
        if chosen[2] and self.saturation:
            image = F.adjust_saturation(image, 1 + self.saturation * strength[2])
        if chosen[3] and self.hue:
            image = F.adjust_hue(image, self.hue * strength[3])
        if greyed:
            image = F.rgb_to_grayscale(image, num_output_channels=3)
        if chosen[4] and self.blur * abs(strength[4]) > _LEAST_BLUR:
            sigma = float(self.blur * abs(strength[4]))
            image = F.gaussian_blur(image, 2 * int(np.ceil(_BLUR_REACH * sigma)) + 1, sigma)
        if chosen[5] and self.noise:
            noise = np.random.default_rng(noise_seed).standard_normal(image.shape, dtype=np.float32)
            image = image + torch.from_numpy(noise) * float(self.noise * abs(strength[5]))
            image = image.round_().clamp_(0, 255).to(torch.uint8)
        if chosen[6] and self.jpeg:
            image = _compressed(image, round(100 - (100 - self.jpeg) * abs(strength[6])))
        return image

    def _erase(self, image: Tensor, rng: np.random.Generator) -> Tensor:
        image = image.clone()
        _, height, width = image.shape
        for _ in range(rng.integers(1, self.erase_count + 1)):
            w, h = np.maximum(rng.uniform(0.2, 1, 2) * self.erase_size * (width, height), 1).astype(int)
            x, y = (rng.uniform(0, 1, 2) * (width - w + 1, height - h + 1)).astype(int)
            texture = rng.integers(0, 256, (3, 1, 1)) + rng.uniform(0, 40) * rng.standard_normal((3, h, w))
            image[:, y : y + h, x : x + w] = torch.from_numpy(np.clip(texture, 0, 255).astype(np.uint8))
        return image


def _compressed(image: Tensor, quality: int) -> Tensor:
    """Encode RGB uint8 (3, H, W) as JPEG and decode it again."""
    pixels = np.ascontiguousarray(image.permute(1, 2, 0).numpy()[..., ::-1])
    encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    decoded = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR))[..., ::-1]
    return torch.from_numpy(np.ascontiguousarray(decoded.transpose(2, 0, 1)))
