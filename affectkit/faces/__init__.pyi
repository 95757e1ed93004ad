from .dataset import render_dataset as render_dataset
from .render import render_face as render_face, render_sweep as render_sweep
from .sampling import draw_face as draw_face
from .shard import pack as pack
