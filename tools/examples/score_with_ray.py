#!/usr/bin/env python3
"""Answers to more pictures than one process can score: Ray Data maps them over workers, on one machine or on many.

    score_with_ray.py MODEL.e3 PICTURES --output ANSWERS [--workers N] [--address auto] [--part 1000]

PICTURES is a folder of JPEG and PNG files, also in folders within it. ANSWERS becomes a folder of Parquet files, one for each
part of the pictures in the order of their names, with a row for each picture. The same pictures give the same rows however
many workers there are; --workers 0 works in this process alone, without Ray. A run that was stopped is started again with the
same words and goes on with the parts that are missing. Model, pictures and answers lie where every worker finds them.

A picture that cannot be read, or whose meaning is not certain, has its fault in the column `error` and no answer.

Needs: pip install e3_runtime-….whl pillow pyarrow "ray[data]"
"""

import argparse
import hashlib
import json
import os
import sys
from pathlib import Path

import pyarrow
import pyarrow.parquet
from PIL import Image, ImageOps

import e3

SUFFIXES = {".jpg", ".jpeg", ".png"}
SCHEMA = pyarrow.schema([
    ("picture", pyarrow.string()),
    ("error", pyarrow.string()),
    ("decision", pyarrow.string()),
    ("top_class", pyarrow.int32()),
    ("label", pyarrow.string()),
    ("top_probability", pyarrow.float32()),
    ("probabilities", pyarrow.list_(pyarrow.float32())),
    ("member_probabilities", pyarrow.list_(pyarrow.list_(pyarrow.float32()))),
    ("prediction_set", pyarrow.list_(pyarrow.int32())),
    ("total_entropy", pyarrow.float32()),
    ("mutual_information", pyarrow.float32()),
    ("disagreement", pyarrow.float32()),
    ("relative_distance", pyarrow.float32()),
])


def picture(path):
    """The picture as a model takes it: turned as its EXIF tag says, grey or RGB; transparent pixels show white."""
    with Image.open(path) as image:
        image = ImageOps.exif_transpose(image)
        if image.mode in ("P", "LA", "PA", "RGBA") or image.mode in ("1", "L", "RGB") and "transparency" in image.info:
            colours = image.convert("RGBA")
            return Image.alpha_composite(Image.new("RGBA", colours.size, "white"), colours).convert("RGB")
        if image.mode == "1":
            return image.convert("L")
        image.load()
        return image


class Scorer:
    """Scores parts of the pictures with a session of its own; Ray makes one for each worker."""

    def __init__(self, model, digest, pictures, output):
        """digest: SHA-256 that the model file must have still."""
        contents = Path(model).read_bytes()
        if hashlib.sha256(contents).hexdigest() != digest:
            raise RuntimeError(f"{model}: is another file than when the run began")
        self.model, self.pictures, self.output = e3.Model(contents), Path(pictures), Path(output)

    def row(self, name):
        row = dict.fromkeys(SCHEMA.names)
        row["picture"] = name
        try:
            answer = self.model(picture(self.pictures / name))
        except (OSError, ValueError, SyntaxError, e3.E3Error, Image.DecompressionBombError) as fault:
            # Not every fault of every decoder has words.
            row["error"] = str(fault) or type(fault).__name__
            return row
        for column in ("probabilities", "member_probabilities"):
            row[column] = getattr(answer, column).tolist()
        for column in SCHEMA.names:
            if row[column] is None and column != "error":
                row[column] = getattr(answer, column)
        return row

    def part(self, number, names):
        """Writes a part under its name when it is whole, so that a name says that the part is done."""
        table = pyarrow.Table.from_pylist([self.row(name) for name in names], schema=SCHEMA)
        unfinished = self.output / f".part-{number:06}.{os.getpid()}.tmp"
        pyarrow.parquet.write_table(table, unfinished)
        os.replace(unfinished, part_path(self.output, number))

    def __call__(self, batch):
        for number, names in zip(batch["number"], batch["names"]):
            self.part(int(number), json.loads(names))
        return {"number": batch["number"]}


def part_path(output, number):
    return output / f"part-{number:06}.parquet"


def begin(output, digest, names, size):
    """Notes what the parts are of; a folder that has the parts of something else is refused."""
    note = {
        "model": digest,
        "pictures": hashlib.sha256("\0".join(names).encode()).hexdigest(),
        "count": len(names),
        "part": size,
    }
    output.mkdir(parents=True, exist_ok=True)
    path = output / "_answers.json"
    if path.exists():
        if json.loads(path.read_text()) != note:
            sys.exit(f"{output}: holds answers of another model, of other pictures or in other parts")
        return
    if any(output.iterdir()):
        sys.exit(f"{output}: is neither empty nor a folder of answers")
    unfinished = output / f".answers.{os.getpid()}.tmp"
    unfinished.write_text(json.dumps(note) + "\n")
    os.replace(unfinished, path)


def score(arguments, missing, workers, address):
    """Scores the missing parts; arguments: of a Scorer."""
    if workers == 0:
        scorer = Scorer(*arguments)
        for number, names in missing:
            scorer.part(number, names)
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    local = {"num_cpus": workers, "include_dashboard": False}
    ray.init(address=address, log_to_driver=False, **({} if address else local))
    parts = ray.data.from_items(
        [{"number": number, "names": json.dumps(names)} for number, names in missing], override_num_blocks=len(missing))
    # A batch is a part: the next one goes to whichever worker is free.
    scored = parts.map_batches(
        Scorer, fn_constructor_args=arguments, batch_size=1, compute=ray.data.ActorPoolStrategy(size=workers))
    count = scored.count()
    ray.shutdown()
    if count != len(missing):
        sys.exit(f"{count} of {len(missing)} parts came back")


def main():
    parser = argparse.ArgumentParser(allow_abbrev=False, description=__doc__.split("\n")[0])
    parser.add_argument("model", type=Path, help="MODEL.e3")
    parser.add_argument("pictures", type=Path, help="folder of JPEG and PNG files")
    parser.add_argument("--output", type=Path, required=True, help="folder of the answers")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)),
                        help="workers of one processor each; 0: this process alone")
    parser.add_argument("--address", help="of a Ray cluster, such as auto; this machine when left out")
    parser.add_argument("--part", type=int, default=1000, help="pictures of a Parquet file")
    options = parser.parse_args()
    if options.workers < 0 or options.part < 1:
        parser.error("--workers takes 0 or more, --part 1 or more")
    pictures, output = options.pictures.resolve(), options.output.resolve()
    names = sorted(path.relative_to(pictures).as_posix() for path in pictures.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not names:
        sys.exit(f"{options.pictures}: no JPEG or PNG files")
    try:
        "".join(names).encode()
    except UnicodeEncodeError:
        sys.exit(f"{options.pictures}: holds a name that is not UTF-8")
    digest = hashlib.sha256(options.model.read_bytes()).hexdigest()
    begin(output, digest, names, options.part)
    parts = [names[start : start + options.part] for start in range(0, len(names), options.part)]
    missing = [(number, part) for number, part in enumerate(parts) if not part_path(output, number).exists()]
    if missing:
        arguments = (str(options.model.resolve()), digest, str(pictures), str(output))
        score(arguments, missing, options.workers, options.address)
    print(f"{len(names)} pictures in {len(parts)} parts, {len(missing)} of them new: {options.output}")


if __name__ == "__main__":
    main()
