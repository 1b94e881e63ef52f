"""The command line: thin commands over the Python API.

Results go to stdout, all else (progress, notes, errors) to stderr. Every error that Innerview
raises on purpose is one line and exit code 2. Nothing heavy is imported until a command runs.
"""

from innerview.cli import _data, _doctor, _explain, _run, _target
from innerview.cli._app import app

__all__ = ["app"]

_run.add_to(app)
_explain.add_to(app)
app.add_typer(_target.app)
app.add_typer(_data.app)
_doctor.add_to(app)
