"""Ship the configs of experiments/ inside the package; everything else is in pyproject.toml."""

from setuptools import find_namespace_packages, setup

setup(
    packages=[
        *find_namespace_packages("lib", include=["fidip", "fidip.*"]),
        *find_namespace_packages("syn_generation", include=["infantsynth", "infantsynth.*"]),
        "fidip.experiments",
    ],
    package_dir={"": "lib", "infantsynth": "syn_generation/infantsynth", "fidip.experiments": "experiments"},
)
