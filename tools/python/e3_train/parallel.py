"""Several processes that train one model: what torchrun started, or this process alone."""

import datetime
import os

import torch
import torch.distributed as dist

from .faults import Fault


class Group:
  """This process among those that torchrun started; alone without it."""

  def __init__(self):
    self.rank, self.world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    self.local_rank = int(os.environ.get("LOCAL_RANK", 0))
    self.local_world = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    self.node = int(os.environ.get("GROUP_RANK", 0))
    if self.world > 1:
      try:
        dist.init_process_group("gloo", timeout=datetime.timedelta(minutes=60))
      except (RuntimeError, ValueError) as error:
        raise Fault("torchrun", f"the processes do not find each other: {str(error).splitlines()[0]}")

  @property
  def is_first(self):
    return self.rank == 0

  def any(self, value):
    """Whether `value` is true in any process."""
    if self.world == 1:
      return bool(value)
    flag = torch.tensor(float(bool(value)))
    dist.all_reduce(flag, dist.ReduceOp.MAX)
    return flag.item() > 0

  def mean(self, value):
    """The mean of a number over the processes."""
    if self.world == 1:
      return value
    total = torch.tensor(float(value), dtype=torch.double)
    dist.all_reduce(total)
    return total.item() / self.world

  def first_says(self, value):
    """What the first process has, in all."""
    if self.world == 1:
      return value
    held = [value]
    dist.broadcast_object_list(held)
    return held[0]

  def wait(self):
    if self.world > 1:
      dist.barrier()

  def close(self):
    if self.world > 1 and dist.is_initialized():
      dist.destroy_process_group()
