"""TF_CONFIG says who trains and who writes."""

import json

import pytest
import tensorflow as tf

from affectkit.training.workers import (
    all_agree,
    choose_strategy,
    cluster_settings,
    cluster_workers,
    free_ports,
    is_chief,
)


@pytest.fixture
def tf_config(monkeypatch):
    def set_config(content):
        monkeypatch.setenv("TF_CONFIG", content)

    monkeypatch.delenv("TF_CONFIG", raising=False)
    return set_config


def test_without_it_one_process_trains_and_writes(tf_config):
    assert is_chief()
    assert cluster_workers() == 0
    assert choose_strategy().num_replicas_in_sync == 1
    tf_config("")
    assert is_chief()


def test_the_first_worker_writes(tf_config):
    ports = free_ports(2)
    assert len(set(ports)) == 2
    addresses = [f"127.0.0.1:{port}" for port in ports]
    for number in (0, 1):
        tf_config(cluster_settings(addresses, number))
        assert is_chief() == (number == 0)
        assert cluster_workers() == 2
    assert json.loads(cluster_settings(addresses, 1)) == {
        "cluster": {"worker": addresses},
        "task": {"type": "worker", "index": 1},
    }


@pytest.mark.parametrize(("kind", "writes"), [("chief", True), ("worker", False)])
def test_where_there_is_a_chief_it_writes(tf_config, kind, writes):
    """As Kubeflow names them: one chief beside the workers."""
    cluster = {"chief": ["one:1"], "worker": ["two:1", "three:1"]}
    tf_config(json.dumps({"cluster": cluster, "task": {"type": kind, "index": 0}}))
    assert is_chief() == writes
    assert cluster_workers() == 3


def test_who_has_no_part_and_what_is_no_json_is_named(tf_config):
    cluster = {"worker": ["one:1"], "ps": ["two:1"]}
    tf_config(json.dumps({"cluster": cluster, "task": {"type": "ps", "index": 0}}))
    with pytest.raises(ValueError, match="chief or worker, got 'ps'"):
        cluster_workers()
    for text in ("{", "[]", '{"cluster": 3}'):
        tf_config(text)
        with pytest.raises(ValueError, match="expected TF_CONFIG to be JSON"):
            choose_strategy()


def test_one_process_agrees_with_itself():
    assert all_agree(tf.distribute.get_strategy(), [0, 3, 2**24 - 1])
