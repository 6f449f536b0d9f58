"""Claims about the time left that e3-train shows."""

import pytest
from e3_train.progress import Estimate


def estimates(times, total):
  """What is said at each of the times of steps, of which there are `total`."""
  estimate = Estimate()
  return [(now, estimate.left(now, done, total)) for done, now in enumerate(times)]


def jumps(said):
  """By how much each estimate differs from the one before, less the time that passed, as shares of it."""
  known = [(now, seconds) for now, seconds in said if seconds is not None]
  return [abs(seconds - (before - (now - then))) / max(before, 1) for (then, before), (now, seconds) in zip(known, known[1:])]


def test_an_even_rate_is_told_exactly():
  said = estimates([0.5 * step for step in range(401)], 400)
  assert all(seconds == pytest.approx(200 - now) for now, seconds in said if seconds is not None)
  assert [seconds for _, seconds in said[:6]] == [None] * 6 and said[6][1] is not None


def test_a_slow_first_step_and_pauses_do_not_make_it_jump():
  times, now = [], 0.0
  for step in range(600):
    times.append(now)
    now += 10 if step == 0 else 8 if step % 100 == 99 else 0.5
  assert max(jumps(estimates(times, 600)[40:])) < 0.35
  uneven = [step * 0.5 + (0.4 if step % 2 else 0) for step in range(600)]
  assert max(jumps(estimates(uneven, 600))) < 0.05


def test_a_rate_that_changes_is_followed_within_two_minutes():
  times = [0.1 * step for step in range(1000)] + [100 + step for step in range(1000)]
  said = estimates(times, 2000)
  assert said[1120][1] == pytest.approx(2000 - 1120, rel=0.1)
  assert said[-1][1] < 5


def test_steps_that_do_not_come_are_no_rate():
  estimate = Estimate()
  assert [estimate.left(now, 7, 9) for now in range(100)] == [None] * 100
