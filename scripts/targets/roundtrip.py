"""Round trips: a model of each library, exported where the library is, answers alike in Innerview.

    python scripts/targets/roundtrip.py [LIBRARY ...] [--envs runs/envs] [--remove]

For each library an environment is made of ``requirements/LIBRARY.txt`` (its first line names the
Python), the packed exporters are taken there, ``roundtrip_LIBRARY.py`` trains small models and
exports them, and ``compare.py`` loads the bundles here and holds them against what the library
answered to 200 cases. One JSON file a library says how far they agree. What there is is kept: an
environment is made once.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LIBRARIES = tuple(sorted(p.stem for p in (HERE / "requirements").glob("*.txt")))


def main() -> int:
    """One line a model; 1 if one does not agree or could not be made."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("libraries", nargs="*", help=f"of {', '.join(LIBRARIES)}; all if none")
    parser.add_argument("--envs", type=Path, default=Path("runs/envs"))
    parser.add_argument("--remove", action="store_true", help="the environment, when it is done")
    options = parser.parse_args()
    unknown = set(options.libraries) - set(LIBRARIES)
    if unknown:
        parser.error(f"no library {min(unknown)!r}; there are {', '.join(LIBRARIES)}")
    envs = options.envs.resolve()
    envs.mkdir(parents=True, exist_ok=True)
    failed = [name for name in options.libraries or LIBRARIES if not round_trip(name, envs)]
    if options.remove:
        for name in options.libraries or LIBRARIES:
            shutil.rmtree(envs / name, ignore_errors=True)
    if failed:
        print(f"not shown to agree: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def round_trip(name: str, envs: Path) -> bool:
    """Both halves of one library; False if a bundle does not agree."""
    started = time.perf_counter()
    out, packed = envs / "out" / name, envs / "innerview_export.pyz"
    try:
        python = environment(name, envs)
        here = [sys.executable, "-m", "innerview.targets.export", "pack", str(packed)]
        subprocess.run(here, check=True, env=alone(source=True), stdout=subprocess.DEVNULL)
        shutil.rmtree(out, ignore_errors=True)
        script = HERE / f"roundtrip_{name}.py"
        command = [str(python), str(script), str(out), str(packed)]
        subprocess.run(command, check=True, env=alone())
        table = envs / f"{name}.json"
        command = [sys.executable, str(HERE / "compare.py"), str(out), str(table)]
        done = subprocess.run(command, check=False, env=alone(source=True))
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return False
    n = len(json.loads(table.read_text("utf-8"))) if table.exists() else 0
    print(f"{name}: {n} models in {time.perf_counter() - started:.0f} s, {table}", flush=True)
    return done.returncode == 0


def alone(*, source: bool = False) -> dict[str, str]:
    """This environment on one thread; Innerview's source only for Innerview's half."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return {**kept, **one, **({"PYTHONPATH": str(ROOT / "src")} if source else {})}


def environment(name: str, envs: Path) -> Path:
    """The interpreter of a library's environment, which is made if it is not there."""
    place, requirements = envs / name, HERE / "requirements" / f"{name}.txt"
    python, done = place / "bin" / "python", place / "complete"
    if done.exists() and done.read_text("utf-8") == requirements.read_text("utf-8"):
        return python
    first, *others = requirements.read_text("utf-8").splitlines()
    version = first.removeprefix("# python ").strip()
    bare = [line.rpartition(": ")[2] for line in others if line.startswith("# without its dep")]
    shutil.rmtree(place, ignore_errors=True)
    uv, found = shutil.which("uv"), interpreter(version)
    if uv:
        make = [uv, "venv", "--quiet", "--python", found or version, str(place)]
        install = [uv, "pip", "install", "--quiet", "--python", str(python)]
    else:
        if not found:
            raise FileNotFoundError(
                f"no Python {version} here; install one, or uv, which brings it"
            )
        make = [found, "-m", "venv", str(place)]
        install = [str(python), "-m", "pip", "install", "--quiet"]
    subprocess.run(make, check=True)
    subprocess.run([*install, "-r", str(requirements)], check=True)
    for package in bare:
        subprocess.run([*install, "--no-deps", package], check=True)
    done.write_text(requirements.read_text("utf-8"), encoding="utf-8")
    return python


def interpreter(version: str) -> str | None:
    """A Python of this version: on the path, or among pyenv's; None if there is none."""
    found = shutil.which(f"python{version}")
    works = found and subprocess.run([found, "-c", ""], check=False, capture_output=True)
    if found and works and works.returncode == 0:
        return found
    for place in sorted(Path.home().glob(f".pyenv/versions/{version}*/bin/python")):
        return str(place)
    return None


if __name__ == "__main__":
    sys.exit(main())
