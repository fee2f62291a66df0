"""How the digits are trained on where the training is not the subject."""

WHOLE = ["--batch-size", "431"]
"""Three batches of equal size: TensorFlow would trace the step anew for a smaller last one."""
