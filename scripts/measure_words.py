"""Measure explanations in every style: do they keep to it, and to their claims, and vary?

    python scripts/measure_words.py RUN --cases 20 --json words.json

Without a surrogate in the run, texts are rendered from the claims.
"""

from __future__ import annotations

import argparse
import json
from itertools import product
from pathlib import Path
from typing import get_args

from innerview.alignment.cases import read_cases
from innerview.evaluation.bootstrap import Figure
from innerview.evaluation.prose import prose_figures
from innerview.explainer import Explainer
from innerview.explanation.style import AUDIENCES, Length, Style
from innerview.surrogate.surrogate import Surrogate
from innerview.targets import load_bundle


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--cases", type=int, default=20)
    parser.add_argument("--about", help="an attribute, for four styles more")
    parser.add_argument("--no-surrogate", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    target = load_bundle(options.run / "target")
    folder = options.run / "surrogate"
    with_surrogate = folder.exists() and not options.no_surrogate
    surrogate = Surrogate.load(folder, target) if with_surrogate else None
    cases = list(read_cases(options.run).test[: options.cases])
    styles = [Style(audience, length) for length, audience in product(get_args(Length), AUDIENCES)]
    styles += [Style("customer", length, tone="warm") for length in get_args(Length)]
    if options.about:
        styles += [Style(audience, about=options.about) for audience in AUDIENCES]
    plain = Explainer(target, surrogate)(cases)
    found = {}
    for style in styles:
        own = Explainer(target, surrogate, style=style)(cases)
        figures = prose_figures(list(own), list(plain))
        name = f"{style.audience} {style.length}" + (" about" if style.about else "")
        name += " warm" if style.tone == "warm" else ""
        found[name] = {
            key: figure.to_dict() if isinstance(figure, Figure) else figure
            for key, figure in figures.items()
        }
        told = (
            f"{key} {figure.value if isinstance(figure, Figure) else figure:.3g}"
            for key, figure in figures.items()
        )
        print(f"{name:24}", ", ".join(told), flush=True)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
