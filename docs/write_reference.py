"""Write docs/configuration.md, the table of all config keys, from their declarations.

Example: python docs/write_reference.py
"""

from pathlib import Path

from fidip.config import KEYS
from fidip.config.load import KeyFacts

PAGE = Path(__file__).parent / "configuration.md"
HEAD = """# Configuration keys

After this page you know every key of a config with its type, unit, range and default. The table is written by
`python docs/write_reference.py` from `lib/fidip/config/settings.py`.

A config is a YAML file; `BASE: [other.yaml]` inherits from other files. Any key can follow a command as `KEY VALUE`, for
example `fidip train --cfg movenet/thunder_syrip.yaml TRAIN.LR 1e-4`. An unknown key, a value of another type or one
outside its range stops the command and is named.
"""


def page() -> str:
    """The page as Markdown."""
    parts, last = [HEAD], ""
    for name, facts in KEYS.items():
        group = name.rpartition(".")[0] or "top level"
        if group != last:
            parts.append(f"\n## {group}\n\n| key | type | default | meaning |\n|---|---|---|---|\n")
            last = group
        parts.append(row(facts))
    return "".join(parts)


def row(facts: KeyFacts) -> str:
    """One key as a row of the table."""
    kind = {"Mapping": "keys"}.get(facts.kind.__name__, facts.kind.__name__)
    default = list(facts.default) if facts.listed else facts.default
    bounds = ", ".join(choice for choice in facts.rule.choices if choice) or facts.rule.range
    meaning = f"{facts.rule.meaning} ({bounds})" if bounds else facts.rule.meaning
    return f"| `{facts.name}` | {'list of ' if facts.listed else ''}{kind} | `{default!r}` | {meaning.replace('|', '/')} |\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE)
