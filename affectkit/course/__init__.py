"""The notebooks as one run: papermill, summary.json, report.html; exercises; sweeps; benchmarks."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "benchmark_runs": [
            "BASELINE",
            "BenchmarkRun",
            "add_accuracy",
            "compare_ratios",
            "load_runs",
            "overview",
            "read_run",
            "targets",
        ],
        "lesson": ["Verdict", "check", "reveal"],
        "runner": ["CourseResult", "run_course"],
        "summary": ["CourseSettings", "read_summary"],
        "sweep": ["SweepResult", "sweep_notebook"],
    },
)
