"""tools/checks/architecture: python3 -m unittest discover -s tools/checks/tests"""
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
MANIFEST = """// swift-tools-version: 6.2
import PackageDescription
let package = Package(name: "house", targets: [
  .target(name: "Cellar"), .target(name: "Hall"), .target(name: "Roof", dependencies: ["Hall"]),
])
"""
TABLE = """| room | is | may import |
|---|---|---|
| `Cellar` | C | – |
| `Hall` | Swift | `Cellar` |
| `Roof` | Swift | `Hall`, `Glibc` |
"""


class Architecture(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        self.write("Package.swift", MANIFEST)
        self.write("docs/ARCHITECTURE.md", TABLE)
        self.write("Sources/Cellar/include/cellar.h", "int coal(void);\nint wine(void);\n")
        self.write("Sources/Cellar/coal.c", '#include "cellar.h"\nint coal(void) { return 1; }\n')
        self.write("Sources/Cellar/wine.c", '#include "cellar.h"\nint wine(void) { return coal(); }\n')
        self.write("Sources/Hall/Hall.swift", "public let hall = 1\n")
        self.write("Sources/Roof/Roof.swift", "import Glibc\nimport Hall\n")
        (self.root / "tools").mkdir()

    def write(self, path, text):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def check(self, root=None):
        result = subprocess.run([ROOT / "tools/checks/architecture", root or self.root], capture_output=True, text=True)
        return result.returncode, result.stderr.splitlines()

    def test_a_package_that_follows_its_table_passes(self):
        self.assertEqual(self.check(), (0, []))

    def test_an_import_that_the_table_does_not_have_fails(self):
        self.write("Sources/Hall/Hall.swift", "/// The hall.\n@testable import struct Roof.Tile\n")
        self.assertEqual(self.check(), (1, ["Sources/Hall/Hall.swift:2: Hall may not use Roof"]))

    def test_a_module_of_the_system_is_an_arrow_too(self):
        self.write("Sources/Hall/Hall.swift", "import Foundation\n")
        self.assertEqual(self.check(), (1, ["Sources/Hall/Hall.swift:1: Hall may not use Foundation"]))

    def test_an_import_that_the_manifest_does_not_declare_fails(self):
        self.write("Sources/Hall/Hall.swift", "import Cellar\n")
        said = "Sources/Hall/Hall.swift:1: Package.swift does not declare that Hall uses Cellar"
        self.assertEqual(self.check(), (1, [said]))

    def test_a_dependency_of_the_manifest_that_the_table_does_not_have_fails(self):
        self.write("Package.swift", MANIFEST.replace('"Cellar")', '"Cellar", dependencies: ["Hall"])'))
        self.assertEqual(self.check(), (1, ["Package.swift: Cellar may not depend on Hall"]))

    def test_an_include_of_another_room_is_an_arrow(self):
        self.write("Sources/Attic/attic.c", '#include "cellar.h"\n')
        self.write("Package.swift", MANIFEST.replace('.target(name: "Hall"),', '.target(name: "Hall"), .target(name: "Attic"),'))
        self.write("docs/ARCHITECTURE.md", TABLE + "| `Attic` | C | – |\n")
        self.assertEqual(self.check(), (1, ["Sources/Attic/attic.c:1: Attic may not use Cellar"]))

    def test_a_room_without_a_row_and_a_row_without_a_room_fail(self):
        self.write("docs/ARCHITECTURE.md", TABLE.replace("`Cellar` | C", "`Vault` | C"))
        self.assertEqual(self.check(), (1, [
            "Cellar: docs/ARCHITECTURE.md has no row for it", "Vault: Package.swift has no such target"]))

    def test_a_circle_in_the_table_fails(self):
        self.write("docs/ARCHITECTURE.md", TABLE.replace("`Cellar` |\n", "`Cellar`, `Roof` |\n"))
        self.assertEqual(self.check(), (1, ["docs/ARCHITECTURE.md: the rooms form a circle: Hall -> Roof -> Hall"]))

    def test_two_c_files_that_call_each_other_fail(self):
        self.write("Sources/Cellar/coal.c", '#include "cellar.h"\nint coal(void) { return wine(); }\n')
        said = "Sources/Cellar: its files form a circle: coal.c -> wine.c -> coal.c"
        self.assertEqual(self.check(), (1, [said]))

    def test_a_name_in_a_comment_or_a_text_or_a_field_is_no_call(self):
        self.write("Sources/Cellar/coal.c", '#include "cellar.h"\n/* wine */ const char *text = "wine";\n'
                   'int coal(void) { return kept.wine + shelf->wine; } // wine\n')
        self.assertEqual(self.check()[0], 0)

    def test_two_headers_that_include_each_other_fail(self):
        self.write("tools/shed/a.c", '#include "a.h"\n')
        self.write("tools/shed/a.h", '#include "b.h"\n')
        self.write("tools/shed/b.h", '#include "a.h"\n')
        self.assertEqual(self.check(), (1, ["tools/shed: its files form a circle: a.h -> b.h -> a.h"]))

    def test_two_programs_in_one_folder_of_tools_may_define_what_the_other_calls(self):
        self.write("tools/shed/a.c", "int open(void) { return close(); }\n")
        self.write("tools/shed/b.c", "int close(void) { return open(); }\n")
        self.assertEqual(self.check(), (0, []))
        self.write("tools/shed/shed.h", "int open(void);\nint close(void);\n")
        self.assertEqual(self.check()[0], 1)

    def test_a_wrong_import_in_this_project_fails(self):
        for name in ["Package.swift", "VERSION"]:
            if (ROOT / name).exists():
                shutil.copy(ROOT / name, self.root)
        for folder in ["Sources", "docs", "tools"]:
            shutil.rmtree(self.root / folder)
            shutil.copytree(ROOT / folder, self.root / folder, symlinks=True)
        self.write("Sources/E3Metrics/Wrong.swift", "import E3Evaluation\n")
        self.assertIn("Sources/E3Metrics/Wrong.swift:1: E3Metrics may not use E3Evaluation", self.check()[1])


if __name__ == "__main__":
    unittest.main()
