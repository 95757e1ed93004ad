"""Every plot of the kit: functions that take tables, images, logs or results and return a figure.

A notebook shows the figure as the value of a cell; `figure.savefig(path)` keeps it. Names, shapes
or lightness tell things apart, never colour alone.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
