#!/usr/bin/env python3
"""Counts the ARM instructions that a frame takes in this runtime and in ONNX Runtime, on any machine.

Both run under qemu-aarch64 with the plugin of tools/arm, as a processor of each tier, on the same images: ONNX Runtime's
aarch64 library from PyPI with the tuned export in its dynamic int8, one thread. Counts are exact and no times. Prints a table
in Markdown.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from compare import BUILD, IMAGES, ROOT, make, note, prepare
from models import MODELS, QUICK

PEER = ("onnxruntime", "tuned", "dynamic")
PREFIX = "aarch64-linux-gnu-"
# Tier: what qemu emulates; part number, MIDR_EL1 and features that its /proc/cpuinfo and /sys name, which ONNX Runtime reads.
CORES = {
  "neon": ("cortex-a53", "0xd03", "0x410fd034", "fp asimd aes pmull sha1 sha2 crc32 cpuid"),
  "dotprod": ("cortex-a76", "0xd0b", "0x413fd0b1",
              "fp asimd aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"),
  "i8mm": ("max,sve=off,sme=off", "0xd47", "0x410fd470",
           "fp asimd aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp i8mm bf16"),
}


def arguments():
  parser = argparse.ArgumentParser(allow_abbrev=False, prog="tools/peers/run --arch aarch64", description=__doc__.split("\n")[0])
  parser.add_argument("--models", default=",".join(MODELS), help=f"some of {','.join(MODELS)}")
  parser.add_argument("--quick", action="store_true", help=f"only {','.join(QUICK)}")
  parser.add_argument("--json", metavar="FILE", help="write the counts")
  options = parser.parse_args()
  options.models = list(QUICK) if options.quick else options.models.split(",")
  if unknown := set(options.models) - set(MODELS):
    parser.error(f"no model {min(unknown)}: there are {', '.join(MODELS)}")
  return options


def library():
  """ONNX Runtime for aarch64, in the version of requirements.txt."""

  def download(path):
    version = next(line for line in Path(__file__).with_name("requirements.txt").read_text().splitlines()
                   if line.startswith("onnxruntime=="))
    with tempfile.TemporaryDirectory() as folder:
      subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", folder,
                      "--platform", "manylinux_2_28_aarch64", "--python-version", "311", version], check=True)
      with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
        name = next(name for name in wheel.namelist() if "/libonnxruntime.so" in name)
        path.write_bytes(wheel.read(name))

  return make(BUILD / "libonnxruntime-aarch64.so", download)


def root_of(folder, tier):
  """A folder in which qemu finds Debian's cross libraries and what the system says of the tier's processor."""
  _, part, midr, features = CORES[tier]
  root = folder / tier
  identification = root / "sys/devices/system/cpu/cpu0/regs/identification"
  identification.mkdir(parents=True)
  (identification / "midr_el1").write_text(f"{int(midr, 16):#018x}\n")
  (root / "proc").mkdir()
  # As many as there are: ONNX Runtime looks itself up by the number of the processor that it runs on.
  (root / "proc/cpuinfo").write_text("".join(
    f"processor\t: {number}\nBogoMIPS\t: 108.00\nFeatures\t: {features}\nCPU implementer\t: 0x41\nCPU architecture: 8\n"
    f"CPU variant\t: 0x{midr[4]}\nCPU part\t: {part}\nCPU revision\t: {int(midr[-1], 16)}\n\n"
    for number in range(os.cpu_count())))
  (root / "lib").symlink_to("/usr/aarch64-linux-gnu/lib")
  return root


def count_peer(name, folder, tier, work):
  out = work / "counts"
  image = MODELS[name][1]["image_size"]
  subprocess.run(
    ["qemu-aarch64", "-L", work / tier, "-cpu", CORES[tier][0], "-plugin", f"{work / 'plugin.so'},out={out}",
     work / "frames", library(), folder / f"{PEER[1]}.{PEER[2]}.onnx", folder / "images.npy", str(IMAGES), *map(str, image)],
    check=True)
  lines = (line.split() for line in out.read_text().splitlines())
  return sum(int(runs) * len(words) for runs, _, *words in lines) / IMAGES


def count_ours(folder, tier, work):
  counts = work / "ours.json"
  subprocess.run([ROOT / "tools/arm/count", "--tier", tier, "--tensor", folder / "images.npy", "--images", str(IMAGES), "--json",
                  counts, folder / "model.e3"], check=True, stdout=subprocess.DEVNULL)
  return json.loads(counts.read_text())[0]["total"] / IMAGES


def main():
  options = arguments()
  results = []
  with tempfile.TemporaryDirectory() as folder:
    work = Path(folder)
    flags = ["-std=c11", "-D_GNU_SOURCE", "-O2"]
    subprocess.run(["gcc", *flags, "-shared", "-fPIC", ROOT / "tools/arm/plugin.c", "-o", work / "plugin.so"], check=True)
    subprocess.run([PREFIX + "gcc", *flags, Path(__file__).with_name("frames_onnxruntime.c"), "-ldl", "-o", work / "frames"],
                   check=True)
    for tier in CORES:
      root_of(work, tier)
    for name in options.models:
      note(MODELS[name][0])
      files = prepare(name, (PEER,))
      for tier in CORES:
        ours, peer = count_ours(files, tier, work), count_peer(name, files, tier, work)
        results.append({"model": name, "tier": tier, "ours": ours, "onnxruntime": peer})
        note(f"  {tier}: {ours / 1e6:.1f} million, ONNX Runtime {peer / 1e6:.1f}: {peer / ours:.3f}")
  if options.json:
    Path(options.json).write_text(json.dumps(results, indent=1) + "\n")
  print("| executed instructions of a frame, million: ONNX Runtime / ours = ratio | " + " | ".join(CORES) + " |")
  print("|---|" + "---|" * len(CORES))
  for name in options.models:
    cells = [f"{one['onnxruntime'] / 1e6:.1f} / {one['ours'] / 1e6:.1f} = {one['onnxruntime'] / one['ours']:.2f}"
             for one in results if one["model"] == name]
    print(f"| {MODELS[name][0]} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
  main()
