#!/usr/bin/env python3
"""Writes metrics.json: fixed arrays and what scikit-learn, scipy and numpy say of them. Made with scikit-learn 1.9.1.

All numbers in the arrays are multiples of a power of two, so that text, float32 and float64 hold the same values.
"""

import json
from pathlib import Path

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.stats import binomtest
from sklearn import metrics


def distributions(generator, count, classes, total):
  """Rows of `classes` whole numbers of at least 1 that sum to `total`, divided by it."""
  rows = []
  for _ in range(count):
    weights = generator.dirichlet(np.full(classes, 0.35))
    rows.append(1 + generator.multinomial(total - classes, weights))
  return np.array(rows) / total


def ece(confidence, right, bins=15):
  """uncertainty-baselines: tf.histogram_fixed_width_bins over [0, 1]."""
  index = np.minimum((confidence * bins).astype(int), bins - 1)
  gaps = [abs((confidence[index == b] - right[index == b]).sum()) for b in range(bins)]
  return sum(gaps) / len(confidence)


def adaptive_ece(confidence, right, bins=15):
  order = np.argsort(confidence, kind="stable")
  parts = [part for part in np.array_split(order, bins) if len(part)]
  return sum(abs((confidence[p] - right[p]).sum()) for p in parts) / len(confidence)


def aurc(confidence, right):
  wrong = ~right[np.argsort(-confidence, kind="stable")]
  return (np.cumsum(wrong) / np.arange(1, len(wrong) + 1)).mean()


def nll(probabilities, labels):
  return metrics.log_loss(labels, probabilities, labels=range(probabilities.shape[1]))


def tempered(probabilities, temperature):
  powers = probabilities ** (1 / temperature)
  return powers / powers.sum(1, keepdims=True)


def classification(generator, count, classes, total):
  probabilities = distributions(generator, count, classes, total)
  labels = np.array([generator.choice(classes, p=row) for row in tempered(probabilities, 1.7)])
  confidence = probabilities.max(1)
  right = probabilities.argmax(1) == labels
  untied = len(set(confidence)) == count
  best = minimize_scalar(
    lambda log: nll(tempered(probabilities, np.exp(log)), labels), bounds=(-3, 3), method="bounded",
    options={"xatol": 1e-10})
  fpr, tpr, _ = metrics.roc_curve(~right, -confidence, drop_intermediate=False)
  return {
    "classes": classes,
    "probabilities": probabilities.ravel().tolist(),
    "labels": labels.tolist(),
    "accuracy": metrics.accuracy_score(labels, probabilities.argmax(1)),
    "nll": nll(probabilities, labels),
    "brier": metrics.brier_score_loss(labels, probabilities, labels=range(classes), scale_by_half=False),
    "ece": ece(confidence, right),
    "adaptive_ece": adaptive_ece(confidence, right) if untied else None,
    "aurc": aurc(confidence, right) if untied else None,
    "misclassification": {
      "auroc": metrics.roc_auc_score(~right, -confidence),
      "aupr": metrics.average_precision_score(~right, -confidence),
      "fpr95": fpr[np.argmax(tpr >= 0.95)],
    },
    "confusion": metrics.confusion_matrix(labels, probabilities.argmax(1), labels=range(classes)).ravel().tolist(),
    "recall": metrics.recall_score(
      labels, probabilities.argmax(1), labels=range(classes), average=None, zero_division=0).tolist(),
    "precision": metrics.precision_score(
      labels, probabilities.argmax(1), labels=range(classes), average=None, zero_division=0).tolist(),
    "temperature": np.exp(best.x),
    "temperature_nll": best.fun,
  }


def detection(generator, positives, negatives, step):
  scores = np.concatenate([generator.normal(1, 1, positives), generator.normal(0, 1, negatives)])
  scores = np.round(scores / step) * step
  truth = np.arange(positives + negatives) < positives
  fpr, tpr, _ = metrics.roc_curve(truth, scores, drop_intermediate=False)
  return {
    "positives": scores[truth].tolist(),
    "negatives": scores[~truth].tolist(),
    "auroc": metrics.roc_auc_score(truth, scores),
    "aupr": metrics.average_precision_score(truth, scores),
    "fpr95": fpr[np.argmax(tpr >= 0.95)],
  }


def main():
  generator = np.random.default_rng(20211019)
  result = {
    "classification": [
      classification(generator, 97, 4, 2**22),
      classification(generator, 60, 10, 2**22),
      classification(generator, 120, 3, 16),
      classification(generator, 9, 2, 2**20),
    ],
    "detection": [
      detection(generator, 40, 60, 2.0**-20),
      detection(generator, 25, 90, 0.25),
      detection(generator, 100, 30, 1.0),
      detection(generator, 3, 2, 0.5),
    ],
  }
  scores = np.round(generator.random(53) * 2**20) / 2**20
  result["conformal"] = {
    "scores": scores.tolist(),
    "quantiles": [
      {"coverage": c, "quantile": np.quantile(scores, np.ceil((len(scores) + 1) * c) / len(scores), method="inverted_cdf")}
      for c in (0.5, 0.8, 0.9, 0.95)
    ],
  }
  result["wilson"] = [
    {"successes": k, "count": n, "low": interval.low, "high": interval.high}
    for k, n in ((0, 1), (1, 1), (3, 10), (0, 40), (40, 40), (783, 1000), (9999, 10000))
    for interval in [binomtest(k, n).proportion_ci(method="wilson")]
  ]
  Path(__file__).with_name("metrics.json").write_text(json.dumps(result, separators=(",", ":")) + "\n")


if __name__ == "__main__":
  main()
