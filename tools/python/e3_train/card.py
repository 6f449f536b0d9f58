"""The model card: what a user of a model must know, with the numbers that were measured."""

import math
import shlex

from .faults import shown
from .folder import many
from .progress import duration


def percent(share):
  return f"{100 * share:.1f} %"


def summary(fit, report):
  """A few lines for the terminal."""
  calibrated = report["calibrated"]
  lines = [f"accuracy {percent(report['accuracy'])} of {report['count']} held-out pictures, "
           f"NLL {calibrated['nll']:.3f}, ECE {calibrated['ece']:.3f}"]
  if report["members"] > 1:
    lines[0] += f", members disagree on {percent(report['disagreement'])}"
  for found in unknown(report):
    lines.append(f"{shown(found['dataset'])}: AUROC {found['auroc']:.3f}, {decisions(report, found)}")
  return "\n".join(lines)


def unknown(report):
  """Of each folder of unknown pictures, what the decision goes by."""
  return [found for found in report.get("ood", []) if found["signal"] == "unknown_score" and found["auroc"] is not None]


def decisions(report, found):
  """What is decided about pictures of no class: to accept them is a mistake."""
  shares = next(shares for shares in report["ood_decisions"] if shares["dataset"] == found["dataset"])
  return ", ".join(f"{percent(shares[name])} {name}" for name in ("unknown", "unsure", "accept"))


def doubts(report, labels, fitted_on):
  """What was measured and makes the model doubtful, a line each. labels: the classes of the test pictures. fitted_on: how many
  pictures gave the temperature."""
  lines = []
  share = max(map(labels.count, set(labels))) / len(labels)
  if by_chance(round(report["accuracy"] * len(labels)), len(labels), share) > 0.05:
    lines.append(f"accuracy {percent(report['accuracy'])} of {len(labels)} test pictures is no better than to name always the "
                 f"most frequent class ({percent(share)}), as far as so few can tell")
  calibrated = report.get("calibrated", {})
  if is_worse(calibrated.get("nll"), report.get("nll")):
    lines.append(f"the temperature, fitted on {many(fitted_on, 'picture')}, makes the NLL of the test pictures worse: "
                 f"{calibrated['nll']:.3f} instead of {report['nll']:.3f}")
  right = calibrated.get("accepted_accuracy")
  if right is not None and right < 0.5:
    lines.append(f"of the accepted {percent(calibrated['accept'])} of the test pictures only {percent(right)} are right: most accepted "
                 "answers are wrong")
  for found in unknown(report):
    accepted = next(shares["accept"] for shares in report["ood_decisions"] if shares["dataset"] == found["dataset"])
    if accepted > 0.5:
      lines.append(f"{percent(accepted)} of the unknown pictures of {found['dataset']} are accepted as one of the classes")
  return lines


def is_worse(calibrated, plain):
  """Whether a calibrated NLL is more than 10 % above the plain one; a difference below 0.01 is none that shows on the card."""
  return calibrated is not None and plain is not None and calibrated - plain > max(0.1 * plain, 0.01)


def by_chance(right, count, share):
  """Probability that `right` or more of `count` are right, each being so with probability `share` (binomial)."""
  if share == 1:
    return 1.0
  total = math.lgamma(count + 1)
  return sum(math.exp(total - math.lgamma(k + 1) - math.lgamma(count - k + 1) + k * math.log(share) + (count - k) * math.log1p(-share))
             for k in range(right, count + 1))


def few_statistics(calibration):
  """The warning that `e3-convert calibrate` prints among its figures, if it does."""
  return [" ".join(line.split()) for line in calibration.splitlines() if "from too few images" in line]


def text(fit, report, calibration):
  options, model, calibrated = fit.options, fit.model, report["calibrated"]
  counts = [len(part) for part in fit.parts]
  tested = len(fit.test_folder) if fit.test_folder else counts[2]
  per_class = fit.folder.counts()
  weights, float_ = weight_bits(fit.bits), report.get("reference")
  rows = [
    ("pictures", f"`{options.pictures}`: {len(fit.folder)}, of which {counts[0]} to train on, {counts[1]} to calibrate with, "
     f"{tested} to test with" + (f" (`{options.test}`)" if options.test else "") + f"; seed {options.seed}"),
    ("classes", ", ".join(f"{name} ({count})" for name, count in zip(fit.folder.classes, per_class))),
    ("started from", f"`{options.from_}`" if options.from_ else "nothing"),
    ("trained", "all blocks" if fit.start is None else f"blocks from {fit.start} on, of {model.blocks}"),
    ("members; experts", f"{model.members}; {model.experts} in the blocks {', '.join(map(str, model.moe_blocks))}"
     if model.moe_blocks else "1; none"),
    ("images", f"{model.config['image_size'][0]} x {model.config['image_size'][1]}, {'grey' if fit.channels == 1 else 'colour'}, "
     f"`--resize {fit.picture_recipe.resize} --value-norm {fit.picture_recipe.value_norm}`"),
    ("weights", weights),
    ("steps", f"{len(fit.history)} of {fit.recipe['batch']} pictures; last loss {fit.history[-1]:.3f}"
     + (f"; the last {fit.rounded_steps} with 4-bit weights as they are rounded" if fit.rounded_steps else "")),
    ("took", duration(fit.seconds)),
  ]
  measured = figures(report, calibrated)
  if float_:
    measured = [(*row, beside[1]) for row, beside in zip(measured, figures(float_ | {"members": report["members"]}, float_["calibrated"]))]
    measured.append(("same top class as in float", percent(float_["top1_agreement"])))
  measured += [
    ("true class in the set", percent(calibrated["coverage"])),
    ("accepted; unsure; unknown", "; ".join(percent(calibrated[name]) for name in ("accept", "unsure", "unknown"))),
  ]
  for found in unknown(report):
    measured.append((f"`{found['dataset']}`: AUROC of what decides; decisions", f"{found['auroc']:.3f}; {decisions(report, found)}"))
  notes = "\n".join(f"- {line}" for line in fit.notes)
  warned = "\n".join(f"- {line}" for line in fit.warnings)
  return f"""# {fit.output.stem}

Made by `e3-train fit`. The test pictures served for the figures below and for nothing else. Pictures of another camera,
light or ground than these will be answered worse; measure with some of yours: `{shlex.join(['e3-eval', fit.output.name])} FOLDER`.
{f'''
## Warnings

{warned}

docs/TRAINING.md, "What is calibrated", says what to do.
''' if warned else ''}
{table(rows)}

## Measured: {weights}, held-out pictures

{table(measured, ("", "the file", "float") if float_ else ("", ""))}

## Calibration

```
{calibration.strip()}
```
{f'''
## Notes

{notes}
''' if notes else ''}"""


def weight_bits(weights):
  """{part: bits} in words."""
  names = [name for part, name in (("experts", "experts"), ("mlp", "MLPs")) if weights[part] == 4]
  return f"{' and '.join(names)} in 4 bits, all else int8" if names else "int8"


def figures(scores, calibrated):
  """Rows of what was measured, of a file or of its checkpoint in float."""
  rows = [
    ("accuracy", percent(scores["accuracy"])),
    ("NLL; calibrated", f"{scores['nll']:.3f}; {calibrated['nll']:.3f}"),
    ("ECE; calibrated; by chance alone", f"{scores['ece']:.3f}; {calibrated['ece']:.3f}; {calibrated['ece_by_chance']:.3f}"),
  ]
  return rows + [("members disagree", percent(scores["disagreement"]))] * (scores["members"] > 1)


def table(rows, titles=("", "")):
  """Cells that a row has not are empty."""
  heading = "".join(f" {title} |".replace("  ", " ") for title in titles)
  lines = [" | ".join(map(cell, (*row, *[""] * (len(titles) - len(row))))) for row in rows]
  return f"|{heading}\n{'|---' * len(titles)}|\n" + "\n".join(f"| {line} |" for line in lines)


def cell(text):
  """A bar would begin another cell."""
  return shown(text).replace("|", "\\|")
