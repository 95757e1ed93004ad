"""affectkit: teach, learn and benchmark facial affect with numbered notebooks on thin helpers."""

__version__ = "0.1.0"
