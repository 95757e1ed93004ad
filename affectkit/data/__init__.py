"""Data sets as one documented table: loaders, protocols, skipped rows, images and batches."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "batches": ["load_faces", "make_batches", "read_face"],
        "datasets": ["DATASETS", "dataset_overview", "load_splits", "load_table"],
        "images": ["read_image", "read_table_image"],
        "sets.london_faces": ["fetch_london_faces"],
        "shards.batches": ["shard_batches"],
        "shards.checks": ["ShardError"],
        "shards.index": ["ShardIndex", "read_index"],
        "shards.table": ["load_shards"],
        "shards.writer": ["write_shards"],
        "skipped": ["SkippedRows"],
        "table": [
            "BOX_COLUMNS",
            "SOFT_LABEL_COLUMNS",
            "annotated_rows",
            "make_table",
            "slice_columns",
            "soft_labels",
        ],
    },
)
