from .batches import load_faces as load_faces, make_batches as make_batches, read_face as read_face
from .datasets import (
    DATASETS as DATASETS,
    dataset_overview as dataset_overview,
    load_splits as load_splits,
    load_table as load_table,
)
from .images import read_image as read_image, read_table_image as read_table_image
from .sets.london_faces import fetch_london_faces as fetch_london_faces
from .shards.batches import shard_batches as shard_batches
from .shards.checks import ShardError as ShardError
from .shards.index import ShardIndex as ShardIndex, read_index as read_index
from .shards.table import load_shards as load_shards
from .shards.writer import write_shards as write_shards
from .skipped import SkippedRows as SkippedRows
from .table import (
    BOX_COLUMNS as BOX_COLUMNS,
    SOFT_LABEL_COLUMNS as SOFT_LABEL_COLUMNS,
    annotated_rows as annotated_rows,
    make_table as make_table,
    slice_columns as slice_columns,
    soft_labels as soft_labels,
)
