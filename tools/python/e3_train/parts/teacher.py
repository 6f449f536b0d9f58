"""The small convolutional network that guides a transformer through its training.

A transformer of a few thousand pictures spends most of its training on finding out that neighbouring pixels belong
together. A convolutional network knows that beforehand and is trained in a few epochs. Its features, one vector for
each of the transformer's patches, are then what the transformer's tokens are asked for (Li et al. 2022, "Locality
Guidance for Improving Vision Transformers on Tiny Datasets").
"""

import time

import torch
import torch.nn.functional as F
from torch import nn

from ..state import write_tensors
from . import data, recipes

WIDTH = 96
EPOCHS = 20
BATCH = 64
# Inputs, outputs, size and stride of the convolutions: 96 x 96 pixels become 8 x 8 vectors.
LAYERS = ((3, 32, 7, 3), (32, 64, 3, 2), (64, 64, 3, 1), (64, 96, 3, 2), (96, WIDTH, 3, 1))


class Teacher(nn.Module):
  """Inputs [N, 96, 96, 3] in [-1, 1] -> features [N, 64, WIDTH], one for each patch of 12 x 12, and logits."""

  def __init__(self, classes):
    super().__init__()
    layers = []
    for inputs, outputs, size, stride in LAYERS:
      layers += [nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
    self.layers = nn.Sequential(*layers).to(memory_format=torch.channels_last)
    self.head = nn.Linear(WIDTH, classes)

  def forward(self, images):
    with torch.autocast("cpu", torch.bfloat16):
      x = self.layers(images.permute(0, 3, 1, 2))
    x = x.float().flatten(2).mT
    return x, self.head(x.mean(1))


def trained(directory, path, progress, epochs=EPOCHS):
  """Trains a teacher on the pictures of a directory and keeps its weights in a file; `progress` takes a line an epoch."""
  torch.manual_seed(1)
  images, labels = data.load("train", directory)
  held_out, held_out_labels = data.load("validation", directory)
  generator = torch.Generator().manual_seed(1)
  model = Teacher(recipes.CLASSES)
  optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.05)
  steps = len(images) // BATCH
  schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=epochs * steps, pct_start=0.2)
  for epoch in range(epochs):
    model.train()
    total, started = 0.0, time.process_time()
    for chosen in torch.randperm(len(images), generator=generator).split(BATCH)[:steps]:
      _, logits = model(data.augment(images[chosen], recipes.TRAINING["augmentation"], generator))
      loss = F.cross_entropy(logits, labels[chosen])
      optimizer.zero_grad()
      loss.backward()
      optimizer.step()
      schedule.step()
      total += loss.item()
    model.eval()
    with torch.no_grad():
      logits = torch.cat([model(data.value_range(part))[1] for part in held_out.split(120)])
    accuracy = (logits.argmax(-1) == held_out_labels).double().mean().item()
    progress({"teacher_epoch": epoch + 1, "loss": round(total / steps, 5), "validation_accuracy": round(accuracy, 5),
              "cpu_seconds": round(time.process_time() - started, 2)})
  path.parent.mkdir(parents=True, exist_ok=True)
  write_tensors(path, model.state_dict())


def guide(path, images):
  """A function from inputs to a kept teacher's features [N, 64, WIDTH], of mean 0 and variance 1 over the pictures."""
  teacher = Teacher(recipes.CLASSES)
  teacher.load_state_dict(torch.load(path, weights_only=True))
  teacher.eval()
  with torch.no_grad():
    inputs = data.augment(images[:512], recipes.TRAINING["augmentation"], torch.Generator().manual_seed(2))
    sample = teacher(inputs)[0]
  mean, deviation = sample.mean((0, 1)), sample.std((0, 1)) + 0.05

  @torch.no_grad()
  def features(inputs):
    return (teacher(inputs)[0] - mean) / deviation

  return features
