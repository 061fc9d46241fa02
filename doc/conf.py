"""How Sphinx builds the documentation: offline, with every warning an error."""

import importlib
import os
import pkgutil
import re
from pathlib import Path

import skuq

# The examples draw without a screen.
os.environ.setdefault("MPLBACKEND", "Agg")


HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parent / "examples"
HAS_EXAMPLES = any(EXAMPLES.rglob("plot_*.py"))

project = "skuq"
author = "skuq developers"
copyright = "2026, skuq developers"
release = version = skuq.__version__

# No intersphinx: the build must give the same pages without a network.
extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
]
templates_path = ["_templates"]
exclude_patterns = ["_build"]

# The template autosummary/class.rst lists the members of a class.
numpydoc_show_class_members = False
autosummary_generate = True
autodoc_member_order = "bysource"
autodoc_typehints = "none"

html_theme = "pydata_sphinx_theme"
html_title = "skuq"
html_theme_options = {"navigation_with_keys": False}
html_show_sourcelink = False

if HAS_EXAMPLES:
    extensions.append("sphinx_gallery.gen_gallery")
    sphinx_gallery_conf = {
        "examples_dirs": str(EXAMPLES),
        "gallery_dirs": "auto_examples",
        "filename_pattern": r"plot_",
        # With 0 they are only typeset, for a quick look at the text.
        "plot_gallery": os.environ.get("SKUQ_RUN_EXAMPLES") != "0",
        "within_subsection_order": "FileNameSortKey",
        "abort_on_example_error": True,
        "download_all_examples": False,
        "show_memory": False,
        "write_computation_times": False,
    }
else:
    exclude_patterns.append("auto_examples")

PAGE = """\
{name}
{underline}

.. automodule:: {name}

.. currentmodule:: {name}

.. autosummary::
   :toctree: ../generated
   :nosignatures:

{entries}
"""


def write_api_pages():
    """Write one page for each public package, with the names in its __all__."""
    folder = HERE / "api" / "packages"
    folder.mkdir(exist_ok=True)
    pages = {}
    for info in pkgutil.iter_modules(skuq.__path__, prefix="skuq."):
        if "._" in info.name or info.name == "skuq.cli":
            continue
        public = importlib.import_module(info.name).__all__
        pages[f"{info.name}.rst"] = PAGE.format(
            name=info.name,
            underline="=" * len(info.name),
            entries="\n".join(f"   {name}" for name in public),
        )
    for stale in {path.name for path in folder.iterdir()} - set(pages):
        (folder / stale).unlink()
    for file_name, text in pages.items():
        path = folder / file_name
        # An unchanged page keeps its date, so that Sphinx does not read it again.
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")


def skip_foreign_member(app, what, name, obj, skip, options):
    """Leave out what a class gets from scikit-learn; its own site describes that."""
    function = getattr(obj, "fget", obj)
    module = getattr(function, "__module__", None) or "skuq"
    return True if module.partition(".")[0] != "skuq" else skip


def escape_star(app, what, name, obj, options, lines):
    """Show the star of a shape such as (n_samples, *spatial); it opens no emphasis."""
    for number, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...")):
            # Every second part is between backquotes and is shown as it is.
            parts = re.split(r"(`+[^`]*`+)", line)
            parts[::2] = [re.sub(r"(?<=, )\*(?=\w)", r"\*", p) for p in parts[::2]]
            lines[number] = "".join(parts)


def setup(app):
    """Sphinx calls this once it has read the file."""
    write_api_pages()
    # Before numpydoc, which takes the docstring apart at the default priority 500.
    app.connect("autodoc-process-docstring", escape_star, priority=400)
    app.connect("autodoc-skip-member", skip_foreign_member)
