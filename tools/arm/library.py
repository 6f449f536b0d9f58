"""The library of tools/cross/build aarch64 in a program that runs frames, with the library's own names in it."""
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PREFIX = "aarch64-linux-gnu-"


def run(*command, **options):
    return subprocess.run(command, check=True, **options)


def build_frames(work, *flags):
    """Makes work/frames from frames.c and the library."""
    archive = ROOT / ".build-aarch64/release/libE3.a"
    header = ROOT / "build/aarch64/include"
    if not archive.exists() or not header.exists():
        sys.exit(f"{sys.argv[0]}: run tools/cross/build aarch64 first")
    if not shutil.which(PREFIX + "gcc"):
        sys.exit(f"{sys.argv[0]}: {PREFIX}gcc is missing; Debian's package gcc-aarch64-linux-gnu has it")
    names = sorted(set(re.findall(r"\b(e3_[a-z0-9_]+) *\(", (header / "e3.h").read_text())))
    run(PREFIX + "ld", "-r", "--gc-sections", *[word for name in names for word in ("-u", name)], archive, "-o", work / "e3.o")
    run(PREFIX + "gcc", "-std=c11", "-D_GNU_SOURCE", "-O2", "-static", *flags, f"-I{header}", ROOT / "tools/arm/frames.c",
        work / "e3.o", "-lm", "-lpthread", "-o", work / "frames")
