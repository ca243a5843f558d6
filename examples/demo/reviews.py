"""A generated task: long-winded film reviews in which only a few words carry the opinion."""

from __future__ import annotations

import csv
import random
from pathlib import Path

POSITIVE = """brilliant moving superb charming gripping hilarious clever beautiful stunning
delightful masterful touching witty fresh dazzling""".split()
NEGATIVE = """dull clumsy tedious awful shallow predictable lifeless boring messy dreadful
pointless bland sloppy tiresome hollow""".split()
FILLER = """the a this that film movie plot scene actor actress director script camera music
ending story character dialogue hour minute screen theatre ticket evening friend about with from
into over under after before while which where there here then again also only just even still
very rather quite seems looks feels goes comes takes makes gives shows tells turns opens closes
first second last next other same such own both each every some many few more most""".split()


def review(random_: random.Random) -> tuple[str, int]:
    """A review of 25 to 100 words, and its label: 1 if most opinion words are positive, or 0."""
    label = random_.randint(0, 1)
    strong = random_.randint(3, 6)
    weak = random_.randint(0, strong // 2 - 1) if strong > 3 else 0
    most, few = (POSITIVE, NEGATIVE) if label else (NEGATIVE, POSITIVE)
    words = random_.choices(most, k=strong) + random_.choices(few, k=weak)
    words += random_.choices(FILLER, k=random_.randint(25, 100) - len(words))
    random_.shuffle(words)
    return " ".join(words), label


def write_reviews(path: Path, rows: int, seed: int) -> None:
    """Write so many reviews to a .tsv file with the columns text and label."""
    random_ = random.Random(seed)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t")
        writer.writerow(["text", "label"])
        writer.writerows(review(random_) for _ in range(rows))
