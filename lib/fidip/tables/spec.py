"""The definition of a table: a YAML file that names a config for each row, and what was published for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from fidip.config.load import SHIPPED
from fidip.errors import ConfigError

PROTOCOLS = tuple(folder / "protocols" for folder in SHIPPED)  # in a checkout, in an installed package
METRICS = ("AP", "AP50", "AP75", "AR", "AR50", "AR75")


@dataclass(frozen=True)
class Row:
    """One row. config: of its runs. labels: what tells it from others, by column. paper: published values as printed,
    percent for METRICS, and params, GFLOPs. against: name of the row that this one is compared with, or "".
    """

    name: str
    config: Path
    labels: Mapping[str, str]
    paper: Mapping[str, Any] = field(default_factory=dict)
    against: str = ""


@dataclass(frozen=True)
class Table:
    """A table; name: of its file. note: what a reader should know, printed below it."""

    name: str
    title: str
    rows: tuple[Row, ...]
    note: str = ""

    def row(self, name: str) -> Row:
        """The row of a name. Raises ConfigError where there is none."""
        for row in self.rows:
            if row.name == name:
                return row
        raise ConfigError(
            f"table {self.name} has no row {name!r}; it has {', '.join(r.name for r in self.rows)}"
        )


def find_table(name: str) -> Path:
    """Find the file of a table by its name below ``PROTOCOLS``. Raises ConfigError with the names there are."""
    known = {path.stem: path for folder in reversed(PROTOCOLS) for path in folder.glob("*.yaml")}
    if name not in known:
        raise ConfigError(f"there is no table {name!r}; there are {', '.join(sorted(known))}, and all")
    return known[name]


def read_table(path: Path) -> Table:
    """Read and check a table's file. Raises ConfigError that names the file and the row at fault."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"table {path} cannot be read: {error}") from error
    if not isinstance(content, dict) or not {"title", "configs", "rows"} <= content.keys():
        raise ConfigError(f"table {path} must have title, configs and rows")
    folder = path.parent / content["configs"]
    rows = tuple(_row(path, folder, name, entry) for name, entry in content["rows"].items())
    table = Table(path.stem, content["title"], rows, content.get("note", ""))
    for row in rows:
        if row.against:
            table.row(row.against)
    return table


def _row(path: Path, folder: Path, name: str, entry: Mapping[str, Any]) -> Row:
    allowed = {"labels", "paper", "against"}
    if not isinstance(entry, dict) or not {"labels"} <= entry.keys() <= allowed:
        raise ConfigError(f"table {path}, row {name}: needs labels, and may have paper and against")
    config = folder / f"{name}.yaml"
    if not config.is_file():
        raise ConfigError(f"table {path}, row {name}: there is no config {config}")
    labels = {str(key): str(value) for key, value in entry["labels"].items()}
    return Row(name, config, labels, dict(entry.get("paper", {})), entry.get("against", ""))
