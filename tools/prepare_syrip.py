"""Unpack the SyRIP archives (SyRIP.zip, syrip_for_train.zip) and check that everything is there.

The archives are protected: ask the authors of SyRIP for the password. You are asked to type it, unless it
stands in the first line of a file given with --password-file. To only check a folder that is unpacked
already, use --check-only.
"""

import argparse
import getpass
from pathlib import Path

from fidip.cli import exit_on_error
from fidip.data.syrip import DEFAULT_LIMIT, GIGABYTE, SplitCheck, check_layout, format_checks, unpack
from fidip.errors import DataError
from fidip.runtime import setup_logging


def main(argv: list[str] | None = None) -> int:
    """Parse the command line, unpack, check, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("archives", type=Path, nargs="*", metavar="ZIP", help="the downloaded zip files")
    parser.add_argument("--root", type=Path, default=Path("data/syrip"), help="where to unpack (%(default)s)")
    parser.add_argument("--password-file", type=Path, help="text file with the password in its first line")
    parser.add_argument(
        "--limit-gb",
        type=float,
        default=DEFAULT_LIMIT / GIGABYTE,
        help="refuse archives that unpack to more than this many gigabytes (%(default)g)",
    )
    parser.add_argument(
        "--test-set",
        choices=("500", "100"),
        help="number of test pictures to use when the archive has both sets (as in the archive, else 500)",
    )
    parser.add_argument(
        "--check-only", action="store_true", help="unpack nothing, only check the folder --root"
    )
    args = parser.parse_args(argv)
    if bool(args.archives) == args.check_only:
        parser.error("give the zip files to unpack, or --check-only without any")
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
    print(format_checks(checks))
    refuse_unusable(checks)
    return 0


def read_password(archive: Path, password_file: Path | None) -> bytes:
    """The first line of the file, or what is typed at the terminal."""
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


def refuse_unusable(checks: list[SplitCheck]) -> None:
    """Raise DataError when an annotation file in use cannot be read or lacks pictures."""
    problems = [
        check.problem or f"{check.split}: {len(check.missing)} pictures are missing, e.g. {check.missing[0]}"
        for check in checks
        if check.variant == "." and (check.problem or check.missing)
    ]
    if problems:
        raise DataError("; ".join(problems) + "; download and unpack the archives again")


if __name__ == "__main__":
    exit_on_error(main)
