"""What the source of an image (a video, a web page) is: one rule for training, testing, statistics and the audit."""

import re
from typing import Any

# the 11 characters that name a video, in every form of its address; start time and the like do not count
_VIDEO = re.compile(r"(?:youtu\.be/|youtube\.com/(?:.*[?&]v=|embed/|shorts/)|ytimg\.com/vi/)([\w-]{11})")
_UNKNOWN = {"", "0", "none", "null", "nan", "unknown", "n/a", "na", "-", "?"}


def source_key(source: Any) -> str:
    """Return what all addresses of a source have in common; "" for an unknown source."""
    text = str(source).strip()
    if text.lower() in _UNKNOWN or source is False:
        return ""
    video = _VIDEO.search(text)
    return f"youtube:{video[1]}" if video else text.rstrip("/")
