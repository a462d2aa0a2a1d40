"""Ship the configs of experiments/ inside the package; everything else is in pyproject.toml."""

from setuptools import find_namespace_packages, setup

setup(
    packages=[*find_namespace_packages("lib", include=["fidip", "fidip.*"]), "fidip.experiments"],
    package_dir={"": "lib", "fidip.experiments": "experiments"},
)
