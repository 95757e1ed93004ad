"""The notebooks as one run: papermill, summary.json and report.html."""

from affectkit.course.runner import CourseResult, run_course

__all__ = ["CourseResult", "run_course"]
