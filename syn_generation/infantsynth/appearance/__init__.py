"""Skin, face, hair, clothes and surfaces, procedural or from a user's pictures."""

from infantsynth.appearance.dress import Dressed, dress
from infantsynth.appearance.patterns import KINDS, procedural, swatch
from infantsynth.appearance.source import TextureSource
from infantsynth.appearance.swatch import Swatch

__all__ = ["KINDS", "Dressed", "Swatch", "TextureSource", "dress", "procedural", "swatch"]
