from .augmentation import build_augmentation as build_augmentation
from .fit import train_model as train_model
from .keras_workers import choose_strategy as choose_strategy
from .recipes.start import pretrain_backbone as pretrain_backbone
from .runs import (
    find_or_train_classifier as find_or_train_classifier,
    find_or_train_regressor as find_or_train_regressor,
    train_classifier_run as train_classifier_run,
    train_regressor_run as train_regressor_run,
    training_facts as training_facts,
)
from .targets import class_weights as class_weights, training_targets as training_targets
from .workers import cluster_settings as cluster_settings
