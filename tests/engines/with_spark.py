"""python tests/engines/with_spark.py BUNDLE OUT: samples and scores by Spark, as an .npz.

An array for each way of dealing the rows out, in the order of their indices. Needs pyspark, pandas
and Java beside pyarrow.
"""

import os
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
os.environ["PYTHONPATH"] = str(ROOT)  # of the workers
os.environ["PYSPARK_PYTHON"] = sys.executable

from pyspark.ml.functions import predict_batch_udf  # noqa: E402
from pyspark.sql import SparkSession  # noqa: E402
from pyspark.sql.types import ArrayType, FloatType, StructField, StructType  # noqa: E402

COUNT, SCORED = 2500, 120
NAMES = ("elbo", "reconstruction_loss", "kl_loss", "log_likelihood")


def sampler(bundle):
    def load():
        from export.runtime import OnnxVAE

        vae = OnnxVAE(bundle)
        return lambda index: vae.sample_at(index, seed=7).reshape(len(index), -1)

    return load


def scorer(bundle):
    def load():
        from export.runtime import OnnxVAE

        vae = OnnxVAE(bundle)

        def score(x, index):
            x = x.reshape(len(x), *vae.input_shape)
            return vae.score_each(x, num_samples=9, seed=0, index=index)

        return score

    return load


def main(bundle, out):
    spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", False).getOrCreate()
    results = {}
    for name, parts, batch_size in (("one", 1, 1024), ("two", 7, 333), ("three", 4, 1000)):
        draw = predict_batch_udf(
            sampler(bundle), return_type=ArrayType(FloatType()), batch_size=batch_size
        )
        drawn = spark.range(COUNT).repartition(parts).withColumn("x", draw("id")).toPandas()
        results[name] = np.stack(drawn.sort_values("id")["x"])
    x = (results["one"][:SCORED] > 0.5).astype("float32")
    rows = spark.createDataFrame([(i, row.tolist()) for i, row in enumerate(x)], ["id", "x"])
    terms = StructType([StructField(name, FloatType()) for name in NAMES])
    for name, parts, batch_size in (("scores of one", 1, 64), ("scores of three", 3, 33)):
        score = predict_batch_udf(
            scorer(bundle),
            return_type=terms,
            batch_size=batch_size,
            input_tensor_shapes=[[x.shape[1]], []],
        )
        scored = rows.repartition(parts).withColumn("scores", score("x", "id"))
        scored = scored.select("id", "scores.*").toPandas().sort_values("id")
        results[name] = scored["log_likelihood"].to_numpy()
    np.savez(out, **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
