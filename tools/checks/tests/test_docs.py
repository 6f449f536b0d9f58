"""Claims about tools/checks/docs: which differences between what a document shows and what a command prints it lets pass."""
import unittest
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

loader = SourceFileLoader("docs", str(Path(__file__).resolve().parents[1] / "docs"))
docs = module_from_spec(spec_from_loader("docs", loader))
loader.exec_module(docs)


class Sameness(unittest.TestCase):
    def test_times_vary(self):
        self.assertTrue(docs.same("took 12.5 ms\n", "took 3 ms\n"))

    def test_sizes_vary_by_a_tenth(self):
        self.assertTrue(docs.same("a: 109 bytes, b: 91 bytes\n", "a: 100 bytes, b: 100 bytes\n"))
        self.assertFalse(docs.same("a: 100 bytes, b: 200 bytes\n", "a: 100 bytes, b: 100 bytes\n"))

    def test_all_else_is_compared(self):
        self.assertFalse(docs.same("class 3\n", "class 4\n"))


class Blocks(unittest.TestCase):
    def test_a_command_in_a_block_of_another_kind_is_found(self):
        self.assertEqual(docs.unchecked_commands("a\n```\n$ ls\nb\n```\n```json\n{}\n$ ls\n```\n"), [6, 28])

    def test_blocks_that_are_run_and_text_are_none(self):
        self.assertEqual(docs.unchecked_commands("```console\n$ ls\n```\n$ 5\n```sh\n$ ls\n```\n```\na tree\n```\n"), [])


if __name__ == "__main__":
    unittest.main()
