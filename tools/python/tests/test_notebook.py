"""The notebook in tools/examples runs from its first cell to its last."""

import ast
import json
import os

from conftest import ROOT


def test_every_cell_of_the_notebook_runs(monkeypatch):
    path = ROOT / "tools/examples/e3.ipynb"
    cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    monkeypatch.chdir(path.parent)
    names, shown = {"__name__": "__main__"}, []
    for cell in cells:
        tree = ast.parse("".join(cell["source"]))
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, str(path), "exec"), names)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), str(path), "eval"), names)
            if hasattr(value, "_repr_html_"):
                shown.append(value._repr_html_())
    assert len(cells) >= 5 and len(shown) >= 2
    assert all(html.count("<") == html.count(">") for html in shown)
    assert os.path.samefile(names["folder"], ROOT / "models")
    taken = names["taken"]
    assert taken.pop("other-coffee") >= 8 and sum(taken.values()) <= 5
