import json
import pathlib
import platform
import subprocess

import pytest

import e3

ROOT = pathlib.Path(__file__).resolve().parents[3]
MODELS = sorted((ROOT / "models").glob("*.e3"))
PICTURES = sorted((ROOT / "models/frames").glob("*.jpg"))


@pytest.fixture(scope="session")
def model():
    return e3.Model(ROOT / "models/fashion-e3.e3")


@pytest.fixture
def e3_run(tmp_path):
    """What e3-run answers to raw pixels, a JSON object."""

    def run(model, pixels, format, width, height):
        path = tmp_path / "frame.raw"
        path.write_bytes(pixels)
        program = ROOT / f"build/{platform.machine()}/bin/e3-run"
        command = [program, model, "--pixel-format", format, "--size", f"{width}x{height}", "--json", path]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[0])

    return run
