"""What ends the command with one line."""


# Marks, embeddings, overrides and isolates of direction, separators of lines and paragraphs: the runtime has none in labels.
UNPRINTABLE = {0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A)}


def is_printable(letter):
  """Whether a letter leaves the line, its direction and the terminal alone; as the runtime has it for labels."""
  return not (letter < " " or "\x7f" <= letter < "\xa0" or ord(letter) in UNPRINTABLE or "\ud800" <= letter <= "\udfff")


def shown(text):
  """A text, such as the name of a file, in one line that commands no terminal."""
  return "".join(letter if is_printable(letter) else ascii(letter)[1:-1] for letter in str(text))


class Fault(Exception):
  """`WHERE: what is wrong`, for a user: status 1."""

  def __init__(self, where, problem):
    super().__init__(shown(f"{where}: {problem}"))


class UsageFault(Fault):
  """An option that cannot be: status 2."""
