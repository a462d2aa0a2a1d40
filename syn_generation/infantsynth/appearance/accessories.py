"""What is worn besides garments, drawn with the frequencies of real pictures."""

import numpy as np


def draw_extras(adult: bool, outfit: str, rng: np.random.Generator) -> tuple[str, ...]:
    """Names of what goes with an outfit: "socks", "feet" (of a sleeper), "mittens", "hat", "headband", "pacifier"."""
    return _of_adults(rng) if adult else _of_infants(outfit, rng)


def _of_infants(outfit: str, rng: np.random.Generator) -> tuple[str, ...]:
    extras = []
    if outfit == "sleeper" and rng.random() < 0.6:
        extras.append("feet")
    elif rng.random() < 0.35:
        extras.append("socks")
    head = rng.random()
    if head < 0.2:
        extras.append("hat" if head < 0.14 else "headband")
    if rng.random() < 0.08:
        extras.append("pacifier")
    if outfit == "sleeper" and rng.random() < 0.12:
        extras.append("mittens")
    return tuple(extras)


def _of_adults(rng: np.random.Generator) -> tuple[str, ...]:
    socks = ("socks",) if rng.random() < 0.9 else ()
    return (*socks, "hat") if rng.random() < 0.08 else socks
