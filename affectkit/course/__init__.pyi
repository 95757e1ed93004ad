from .benchmark_runs import (
    BASELINE as BASELINE,
    BenchmarkRun as BenchmarkRun,
    add_accuracy as add_accuracy,
    compare_ratios as compare_ratios,
    load_runs as load_runs,
    overview as overview,
    read_run as read_run,
    targets as targets,
)
from .lesson import Verdict as Verdict, check as check, reveal as reveal
from .runner import CourseResult as CourseResult, run_course as run_course
from .summary import CourseSettings as CourseSettings, read_summary as read_summary
from .sweep import SweepResult as SweepResult, sweep_notebook as sweep_notebook
