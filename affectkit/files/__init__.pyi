from .atomic import (
    atomic_path as atomic_path,
    remove_partials as remove_partials,
    write_atomically as write_atomically,
)
from .hashes import describe_files as describe_files, file_hash as file_hash
from .json_forms import read_json as read_json, write_json as write_json
from .kinds import FileKind as FileKind, file_kind as file_kind
from .pictures import ImageReadError as ImageReadError
from .run_folder import (
    RunFolder as RunFolder,
    new_run_path as new_run_path,
    open_run_folder as open_run_folder,
)
from .safe_text import (
    readable_name as readable_name,
    spreadsheet_name as spreadsheet_name,
    terminal_text as terminal_text,
)
