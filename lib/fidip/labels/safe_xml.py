"""XML from strangers: no document type, so no entity can be defined, expanded or fetched."""

from pathlib import Path
from xml.etree import ElementTree

from fidip.errors import DataError


def read_xml(path: Path, what: str) -> ElementTree.Element:
    """The root of an XML file in UTF-8. Raises DataError for any other file, and for one that declares a DOCTYPE."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise DataError(f"{what} {path} does not exist; check the path") from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{what} {path} is no text in UTF-8; if it is a zip archive, unpack it first"
        ) from error
    except OSError as error:
        raise DataError(f"{what} {path} cannot be read ({error.strerror})") from error
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise DataError(f"{what} {path} declares a DOCTYPE, which is not read for safety; export it again")
    try:
        return ElementTree.fromstring(text)  # noqa: S314  # without a DOCTYPE there is nothing to expand
    except (ElementTree.ParseError, ValueError) as error:
        raise DataError(f"{what} {path} is not valid XML ({error}); export it again") from error
