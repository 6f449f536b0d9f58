"""Claims about tools/python/build-wheels."""

import pathlib
import shutil
import subprocess
import sys
import zipfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]


@pytest.fixture
def project(tmp_path):
    """The project with its sources of the wheel, and libraries of some architectures that were built."""
    shutil.copytree(ROOT / "tools/python/e3", tmp_path / "tools/python/e3")
    for name in ("tools/python/build-wheels", "tools/python/README.md", "VERSION", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / name)

    def built(*targets):
        for target in targets:
            (tmp_path / f"build/{target}/lib").mkdir(parents=True)
            (tmp_path / f"build/{target}/lib/libe3.so.1").write_bytes(b"library of " + target.encode())
        return tmp_path

    return built


def build(project, *words):
    command = [sys.executable, project / "tools/python/build-wheels", *words]
    return subprocess.run(command, capture_output=True, text=True)


def wheels(project):
    return sorted(path.name.split("manylinux_2_17_")[1] for path in project.glob("build/wheels/*.whl"))


def test_without_a_name_what_was_built_gets_a_wheel_and_what_was_not_is_said(project):
    root = project("x86_64")
    done = build(root)
    assert (done.returncode, wheels(root)) == (0, ["x86_64.whl"])
    assert done.stderr == "build-wheels: no wheel for aarch64, which was not built: tools/cross/build aarch64\n"
    assert zipfile.ZipFile(done.stdout.strip()).read("e3/libe3.so.1") == b"library of x86_64"
    project("aarch64")
    assert (build(root).stderr, wheels(root)) == ("", ["aarch64.whl", "x86_64.whl"])


def test_an_architecture_that_is_named_must_have_been_built(project):
    root = project("x86_64")
    done = build(root, "x86_64", "aarch64")
    missing = root / "build/aarch64/lib/libe3.so.1"
    assert (done.returncode, done.stderr) == (1, f"build-wheels: {missing} is missing; run tools/cross/build aarch64 first\n")
    assert wheels(root) == []


def test_nothing_that_was_built_makes_no_wheel(project):
    done = build(project())
    assert done.returncode == 1 and done.stderr.endswith("is missing; run tools/cross/build x86_64 aarch64 first\n")
