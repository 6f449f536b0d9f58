"""What ends the command with one line."""


class Fault(Exception):
  """`WHERE: what is wrong`, for a user: status 1."""

  def __init__(self, where, problem):
    super().__init__(f"{where}: {problem}")


class UsageFault(Fault):
  """An option that cannot be: status 2."""
