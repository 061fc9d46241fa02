"""The README tells the truth: CI runs its commands, and its Python runs here."""

import re
import subprocess
import sys

import pytest

INSTALL = "python -m pip install -c constraints.txt . && skuq demo"
TEST = 'python -m pip install -c constraints.txt -e ".[test]" && pytest'


@pytest.fixture(scope="module")
def readme(root):
    return (root / "README.md").read_text("utf-8")


def fenced_blocks(text, language):
    """Contents of the fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def test_ci_runs_the_commands_of_the_readme(root):
    done = subprocess.run(
        ["bash", str(root / ".ci" / "run"), "list"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [INSTALL, TEST]


def test_the_readme_prints_its_commands_once_each(readme):
    assert readme.count(INSTALL) == 1
    assert readme.count(TEST) == 1


def test_the_python_of_the_readme_runs_from_top_to_bottom(readme, tmp_path):
    code = "\n".join(fenced_blocks(readme, "python"))
    assert code
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
