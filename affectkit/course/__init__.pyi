from .benchmark_runs import (
    BASELINE as BASELINE,
    BenchmarkRun as BenchmarkRun,
    load_runs as load_runs,
    read_run as read_run,
)
from .lesson import Verdict as Verdict, check as check, reveal as reveal
from .runner import CourseResult as CourseResult, run_course as run_course
from .summary import CourseSettings as CourseSettings, read_summary as read_summary
from .sweep import SweepResult as SweepResult, sweep_notebook as sweep_notebook
