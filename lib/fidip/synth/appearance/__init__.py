"""Skin, face, hair, clothes and surfaces, procedural or from a user's pictures."""

from fidip.synth.appearance.dress import Dressed, dress
from fidip.synth.appearance.patterns import KINDS, procedural, swatch
from fidip.synth.appearance.source import TextureSource
from fidip.synth.appearance.swatch import Swatch

__all__ = ["KINDS", "Dressed", "Swatch", "TextureSource", "dress", "procedural", "swatch"]
