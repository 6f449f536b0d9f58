"""Predictions of a model or a deep ensemble, and what they are worth."""

import torch
from torch.special import entr


@torch.no_grad()
def member_probabilities(model, images, batch=500):
  """Softmax of every member for inputs [N, h, w, channels]: [N, M, C], in float32."""
  was, model.training, dtype = model.training, False, model.compute_dtype
  model.compute_dtype = torch.float32
  try:
    device = next(model.parameters()).device
    return torch.cat([model(part.to(device))[0].softmax(-1).cpu() for part in images.split(batch)])
  finally:
    model.training, model.compute_dtype = was, dtype


def expected_calibration_error(probabilities, labels, bins=15):
  """ECE of the maximum probability in equal-width bins, as in uncertainty-baselines."""
  confidence, prediction = probabilities.max(-1)
  index = (confidence * bins).ceil().long().clamp(1, bins) - 1
  gap = (prediction == labels).double() - confidence.double()
  return torch.zeros(bins, dtype=torch.double).index_add_(0, index, gap).abs().sum().item() / len(labels)


def summary(members, labels):
  """Accuracy, NLL, Brier and ECE of the mean of the members [N, M, C], and how often two members disagree."""
  mean = members.mean(1)
  choice = members.argmax(-1)
  pairs = members.shape[1] * (members.shape[1] - 1)
  same = (choice.unsqueeze(1) == choice.unsqueeze(2)).double().sum((1, 2)) - members.shape[1]
  target = torch.nn.functional.one_hot(labels, mean.shape[-1])
  return {
    "count": len(labels),
    "accuracy": (mean.argmax(-1) == labels).double().mean().item(),
    "nll": -mean.double().gather(-1, labels.unsqueeze(-1)).clamp_min(1e-45).log().mean().item(),
    "brier": (mean - target).square().sum(-1).mean().item(),
    "ece": expected_calibration_error(mean, labels),
    "disagreement": 1 - (same / pairs).mean().item() if pairs else 0.0,
  }


def signals(members):
  """Per image: signs of uncertainty, larger for less certain."""
  mean = members.mean(1)
  entropy = entr(mean).sum(-1)
  return {
    "maximum_probability": -mean.amax(-1),
    "entropy": entropy,
    "mutual_information": entropy - entr(members).sum(-1).mean(1),
  }


def auroc(negative, positive):
  """Area under the ROC curve: the chance that a positive scores above a negative, ties counting half."""
  ordered = negative.sort().values
  below, upto = torch.searchsorted(ordered, positive), torch.searchsorted(ordered, positive, right=True)
  return ((below + upto).double() / 2 / len(negative)).mean().item()
