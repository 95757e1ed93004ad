from .batch_norm import (
    average_statistics as average_statistics,
    restore_statistics as restore_statistics,
)
from .build import (
    build_classifier as build_classifier,
    build_regressor as build_regressor,
    get_backbone as get_backbone,
    join_models as join_models,
)
from .cards import (
    ModelFile as ModelFile,
    checkpoint_names as checkpoint_names,
    find_model as find_model,
)
from .inference import predict_faces as predict_faces, predict_table as predict_table
from .keras_models import save_model as save_model
from .opening import Model as Model, open_model as open_model
from .runtimes import (
    KerasNetwork as KerasNetwork,
    LiteRTNetwork as LiteRTNetwork,
    Network as Network,
    OnnxNetwork as OnnxNetwork,
    SavedModelNetwork as SavedModelNetwork,
)
from .temperature import (
    apply_temperature as apply_temperature,
    plausible_expressions as plausible_expressions,
)
