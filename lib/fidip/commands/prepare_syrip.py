"""Unpack the SyRIP archives, and check that they are complete.

The archives SyRIP.zip and syrip_for_train.zip are protected: ask the authors of SyRIP for the password. The command asks for it unless --password-file
is given. To check a folder that is unpacked already, use --check-only.

Examples:
  fidip prepare syrip SyRIP.zip syrip_for_train.zip --root data/syrip
  fidip prepare syrip --check-only --root data/syrip
"""

import argparse
import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fidip.commands.options import add_number
from fidip.errors import DataError

if TYPE_CHECKING:
    from fidip.data.syrip import SplitCheck

GIGABYTE = 10**9


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    add("archives", type=Path, nargs="*", metavar="ZIP", help="downloaded zip files")
    add(
        "--root",
        "--out",
        type=Path,
        default=Path("data/syrip"),
        metavar="DIR",
        help="unpack to this folder, or check it (default: %(default)s)",
    )
    add(
        "--password-file",
        type=Path,
        metavar="FILE",
        help="read the password from the first line of this file (default: ask)",
    )
    add_number(
        parser, "--limit-gb", 20.0, "refuse archives that unpack to more than this, in GB", metavar="GB"
    )
    add(
        "--test-set",
        choices=("500", "100"),
        help="use this number of test images if the archive has both sets (default: as in the archive, else 500)",
    )
    add("--check-only", action="store_true", help="unpack nothing, only check --root")


def run(args: argparse.Namespace) -> int:
    """Unpack, check, print the table."""
    from fidip.data.syrip import check_layout, format_checks, unpack
    from fidip.environment import setup_logging

    if bool(args.archives) == args.check_only:
        args.parser.error("give the zip files to unpack, or --check-only without any")
    setup_logging()
    if args.archives:
        unpack(
            args.archives,
            args.root,
            lambda archive: read_password(archive, args.password_file),
            limit=args.limit_gb * GIGABYTE,
            test_set=args.test_set and f"validate{args.test_set}",
        )
    checks = check_layout(args.root)
    sys.stdout.write(format_checks(checks) + "\n")
    refuse_unusable(checks)
    return 0


def read_password(archive: Path, password_file: Path | None) -> bytes:
    """Read the first line of the file, or what is typed at the terminal."""
    try:
        if password_file is not None:
            return password_file.read_text(encoding="utf-8").split("\n", 1)[0].rstrip("\r").encode()
        return getpass.getpass(f"Password of {archive.name}: ").encode()
    except EOFError as error:
        raise DataError(
            f"{archive} needs a password and there is no terminal; use --password-file"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"password file {password_file} cannot be read ({error}); check the path") from error


def refuse_unusable(checks: "list[SplitCheck]") -> None:
    """Raise DataError when an annotation file in use cannot be read or lacks images."""
    problems = [
        check.problem or f"{check.split}: {len(check.missing)} pictures are missing, e.g. {check.missing[0]}"
        for check in checks
        if check.variant == "." and (check.problem or check.missing)
    ]
    if problems:
        raise DataError("; ".join(problems) + "; download and unpack the archives again")
