"""The scripts need engines that the environment of the tests does not hold."""

collect_ignore = ["with_ray.py", "with_beam.py", "with_spark.py", "with_triton.py"]
