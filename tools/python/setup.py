"""Gives the package the project's version; pyproject.toml has all else."""

from pathlib import Path

from setuptools import setup

# 2.0.0-dev is 2.0.0.dev0 in Python.
setup(version=(Path(__file__).resolve().parents[2] / "VERSION").read_text().strip().replace("-dev", ".dev0"))
