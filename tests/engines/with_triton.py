"""python tests/engines/with_triton.py REPOSITORY: what Triton reads of each config.pbtxt, as JSON.

Its own message parses the text, and refuses a field or a type that Triton does not know.
"""

import json
import sys
from pathlib import Path

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2


def read(path):
    config = text_format.Parse(path.read_text(), model_config_pb2.ModelConfig())
    tensors = {
        kind: {value.name: [kinds.Name(value.data_type), list(value.dims)] for value in values}
        for kind, values in (("inputs", config.input), ("outputs", config.output))
    }
    return {**tensors, "backend": config.backend, "max_batch_size": config.max_batch_size}


kinds = model_config_pb2.DataType
paths = sorted(Path(sys.argv[1]).glob("*/config.pbtxt"))
print(json.dumps({path.parent.name: read(path) for path in paths}))
