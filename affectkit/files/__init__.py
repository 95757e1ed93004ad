"""Files that survive kills and strangers: atomic writes, JSON, hashes, arrays, pictures, places."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "atomic": ["atomic_path", "remove_partials", "write_atomically"],
        "hashes": ["describe_files", "file_hash"],
        "json_forms": ["read_json", "write_json"],
        "kinds": ["FileKind", "file_kind"],
        "pictures": ["ImageReadError"],
        "run_folder": ["RunFolder", "new_run_path", "open_run_folder"],
        "safe_text": ["readable_name", "spreadsheet_name", "terminal_text"],
    },
)
