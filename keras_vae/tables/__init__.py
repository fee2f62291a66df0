"""Tables: their columns, found from the data; rows to numbers, and numbers to rows.

>>> import polars as pl
>>> from keras_vae import tables
>>> frame = pl.DataFrame({"sex": ["f", "m"] * 40, "height": [150 + i / 2 for i in range(80)]})
>>> table = tables.read(frame)
>>> table.x.shape, table.columns
((80, 2), (Column(name='sex', kind='category', ...), Column(name='height', kind='number', ...)))
>>> tables.text(table.likelihood(), table.x[:2])
{'sex': ['f', 'm'], 'height': ['150.0', '150.5']}
"""

from keras_vae.distributions.column import Column
from keras_vae.distributions.columns import Columns
from keras_vae.tables.encoding import encode
from keras_vae.tables.finding import found
from keras_vae.tables.fitting import fitted, standardized
from keras_vae.tables.frames import SUFFIXES
from keras_vae.tables.table import Table, covariates, labels, listed, read, text, told

__all__ = [
    "SUFFIXES",
    "Column",
    "Columns",
    "Table",
    "covariates",
    "encode",
    "fitted",
    "found",
    "labels",
    "listed",
    "read",
    "standardized",
    "text",
    "told",
]
