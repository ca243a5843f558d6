"""A bundle in Spark: the labels of a column of texts, and how sure the model is of each.

Usage: python examples/spark/score.py BUNDLE INPUT OUTPUT [--column text]

INPUT and OUTPUT are Parquet, wherever Spark reads and writes it. Every node needs ltp-deploy and
the bundle under the same path; pandas and pyarrow carry the rows between Spark and Python.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

import pandas as pd
from pyspark.sql import Column, SparkSession
from pyspark.sql.functions import pandas_udf


def answers_of(bundle: str) -> Callable[[str], Column]:
    """A function of a column of texts: a struct of `label` and `score`, null where a text is."""

    def answer(batches: Iterator[pd.Series]) -> Iterator[pd.DataFrame]:
        import ltp_deploy

        # Once for each task, of which Spark runs one on each core.
        with ltp_deploy.load(bundle, threads=1) as engine:
            for texts in batches:
                known = texts.dropna()
                found = engine.predict(known.tolist())
                rows = [(str(each.label), each.score) for each in found]
                named = pd.DataFrame(rows, known.index, ["label", "score"])
                yield named.reindex(texts.index).astype({"label": object})

    # Its annotations are strings here, so the hints that Spark looks for are given again.
    answer.__annotations__ = {"batches": Iterator[pd.Series], "return": Iterator[pd.DataFrame]}
    return pandas_udf(answer, "label string, score float")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("bundle")
    parser.add_argument("input")
    parser.add_argument("output")
    parser.add_argument("--column", default="text")
    given = parser.parse_args()
    spark = SparkSession.builder.appName("score").getOrCreate()
    rows = spark.read.parquet(given.input)
    answered = rows.withColumn("answer", answers_of(given.bundle)(given.column))
    answered.select(*rows.columns, "answer.label", "answer.score").write.parquet(given.output)
    spark.stop()


if __name__ == "__main__":
    main()
