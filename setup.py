"""Ship the configs of experiments/ inside the package; everything else is in pyproject.toml."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages("lib"), "fidip.experiments"],
    package_dir={"": "lib", "fidip.experiments": "experiments"},
)
