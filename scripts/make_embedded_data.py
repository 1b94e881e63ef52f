"""Make the embedded data set from the raw MovieTweetings-100K files.

    python scripts/make_embedded_data.py SOURCE_FOLDER

SOURCE_FOLDER holds ratings.dat[.gz], movies.dat[.gz] and LICENSE. The original's users.dat links
users to Twitter accounts; it is neither needed nor ever copied. The same source and the same
polars version give the same bytes.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from innerview.data.formats import load_dataset

TARGET = Path(__file__).parents[1] / "src/innerview/data/files/movietweetings"


def main(source: Path, target: Path = TARGET) -> None:
    core = load_dataset(source, format="movietweetings").k_core(5)
    target.mkdir(parents=True, exist_ok=True)
    tables = {"interactions": core.interactions.frame, "items": core.catalogue.to_frame()}
    for name, frame in tables.items():
        frame.write_parquet(
            target / f"{name}.parquet", compression="zstd", compression_level=19, statistics=False
        )
    shutil.copyfile(source / "LICENSE", target / "LICENSE")
    users, items = core.interactions.n_users, core.interactions.n_items
    print(f"{users:,} users, {items:,} items, {len(core.interactions):,} events -> {target}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
