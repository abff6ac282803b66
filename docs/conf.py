"""How Sphinx builds the manual; ``make docs`` runs it, and stops at the first warning."""

import json

from ml_sys import __version__

project = "mlsys"
release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon"]
exclude_patterns = ["generate.py"]
source_suffix = {".rst": "restructuredtext", ".md": "markdown", ".ipynb": "markdown"}
templates_path = ["templates"]
highlight_language = "none"  # blocks that name no language are output

# Headings are linked to by the names that they have on GitHub, where these pages are read as well.
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]

autodoc_typehints = "signature"
autodoc_type_aliases = {"NDArray": "NDArray", "Column": "Column"}  # as the code writes them
autodoc_member_order = "bysource"
# What scikit-learn gives every estimator is not ours to describe.
_REQUESTS = ("set_fit_request", "set_fit_resample_request", "set_predict_request", "set_score_request")
autodoc_default_options = {"exclude-members": ", ".join(_REQUESTS)}
napoleon_google_docstring = False
napoleon_use_ivar = True
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(?!ml_sys\.).*"),  # other projects' names: their inventories would need the network
    ("py:.*", r"ml_sys\..*\._\w+"),  # private names have no page
    ("py:data", ".*"),  # nor have constants
]
suppress_warnings = ["ref.python"]  # a type named without its module may be that of two modules

smartquotes = False  # quotes of settings and commands are typed as shown

html_theme = "furo"
html_title = "mlsys"
html_copy_source = False
html_show_copyright = False
html_static_path = ["static"]
html_css_files = ["manual.css"]


def setup(app):
    """Show a notebook as the text and the code of its cells."""
    app.connect("source-read", _read_notebook)


def _read_notebook(app, docname, source):
    if app.env.doc2path(docname).suffix == ".ipynb":
        cells = [(cell["cell_type"], "".join(cell["source"])) for cell in json.loads(source[0])["cells"]]
        source[0] = "\n\n".join(f"```python\n{text}\n```" if kind == "code" else text for kind, text in cells)
