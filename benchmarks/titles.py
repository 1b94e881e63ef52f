"""The paper's own way to ask for a title: spoken freely, five beams, right to the letter.

    python benchmarks/titles.py --run runs/mine --cases 100 --json titles.json

Nothing holds the surrogate to the catalogue, and nothing is read in its memory. docs/benchmarks.md
says what the figures mean.
"""

from __future__ import annotations

import argparse
import time
from itertools import islice
from pathlib import Path
from statistics import fmean

from _process import Result, write_json
from innerview.alignment.records import FORMS, Record, read_records
from innerview.evaluation.metrics import reference_title_hits
from innerview.surrogate.decode import Free, decode
from innerview.surrogate.packing import trees_of
from innerview.surrogate.surrogate import Surrogate
from innerview.targets import Target, load_bundle

BEAMS, MOST_TOKENS = 5, 48


def spoken(surrogate: Surrogate, records: list[Record]) -> list[list[str]]:
    """Five titles for each question, best first, whether they exist or not."""
    prompts = [
        tree
        for record in records
        for tree in trees_of(
            [record], surrogate.encoder, surrogate.vectors, with_answer=False, with_case=False
        )
    ]
    free = Free(surrogate.encoder.frame.end_of_answer[0])
    found = decode(
        surrogate.model, prompts, [free] * len(prompts), n_beams=BEAMS, max_new_tokens=MOST_TOKENS
    )
    tokenizer = surrogate.base.tokenizer
    return [[tokenizer.decode(free.value(b.tokens)).strip() for b in beams] for beams in found]


def figures(target: Target, records: list[Record], said: list[list[str]]) -> dict[str, float]:
    """Of one form."""
    known = {title.strip().lower() for title in target.outcomes.titles}
    wanted = [target.outcomes.title(record.label["top"][0]) for record in records]
    hits = [reference_title_hits(own, right) for own, right in zip(said, wanted, strict=True)]
    first = [own[0].lower() in known for own in said if own]
    return {
        "hr5": fmean(hit for hit, _ in hits),
        "ndcg5": fmean(ndcg for _, ndcg in hits),
        "first_exists": fmean(first),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--run", type=Path, required=True, help="an aligned run")
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    target = load_bundle(options.run / "target")
    surrogate = Surrogate.load(options.run / "surrogate", target)
    asked = read_records(options.run / "records" / "test.parquet")
    report: Result = {"cases": options.cases}
    for form in FORMS:
        own = (r for r in asked if r.task == "retrieval" and r.form == form)
        records = list(islice(own, options.cases))
        if records:
            began = time.perf_counter()
            report[form] = figures(target, records, spoken(surrogate, records))
            report[form]["seconds"] = round(time.perf_counter() - began, 1)
            print(form, report[form], flush=True)
    if options.json:
        write_json(options.json, report)


if __name__ == "__main__":
    main()
