"""Dask clusters: connecting, one outcome an item, and processes that end."""

import os
import signal
import sys
import time

import psutil
import pytest

from affectkit.pipeline.predict.cluster import open_cluster, run_tasks

pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def client():
    with open_cluster(workers=2) as client:
        yield client


def own_workers():
    return [
        child
        for child in psutil.Process().children(recursive=True)
        if "spawn_main" in " ".join(child.cmdline())
    ]


@pytest.mark.parametrize("batch_size", [1, 3, 50])
def test_every_item_has_one_outcome(client, batch_size):
    def double(items):
        return [2 * item for item in items]

    outcomes = list(run_tasks(client, double, range(100, 140), batch_size))
    assert sorted(outcome.index for outcome in outcomes) == list(range(40))
    assert all(outcome.value == 2 * (100 + outcome.index) for outcome in outcomes)
    assert list(run_tasks(client, double, [])) == []


def test_workers_are_other_processes_and_work_side_by_side(client):
    def where(items):
        time.sleep(0.1)
        return [os.getpid() for _ in items]

    found = {outcome.value for outcome in run_tasks(client, where, range(20))}
    assert len(found) == 2
    assert os.getpid() not in found


def test_nothing_listens_beyond_this_machine(client):
    processes = [psutil.Process(), *own_workers()]
    addresses = {
        connection.laddr.ip
        for process in processes
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert addresses == {"127.0.0.1"}


def test_what_the_function_raises_arrives(client):
    def divide(items):
        return [1 / item for item in items]

    with pytest.raises(ZeroDivisionError):
        list(run_tasks(client, divide, [1, 0]))


def test_a_run_can_be_stopped_between_results(client):
    def sleep(items):
        time.sleep(30)
        return items

    class Stop(KeyboardInterrupt):
        pass

    def check():
        raise Stop

    start = time.monotonic()
    with pytest.raises(Stop):
        list(run_tasks(client, sleep, [1], check=check))
    assert time.monotonic() - start < 20


def test_a_killed_process_is_replaced_and_nothing_is_lost():
    def slowly(items):
        time.sleep(0.05)
        return [(item, os.getpid()) for item in items]

    outcomes = []
    with open_cluster(workers=2) as client:
        for outcome in run_tasks(client, slowly, range(60), 2):
            outcomes.append(outcome)
            if len(outcomes) == 10:
                os.kill(outcome.value[1], signal.SIGKILL)
    assert sorted(outcome.index for outcome in outcomes) == list(range(60))
    assert all(outcome.value[0] == outcome.index for outcome in outcomes)


@pytest.mark.slow
def test_an_item_that_ends_every_process_fails_and_the_others_do_not():
    def work(items):
        for item in items:
            if item == 5:
                os.kill(os.getpid(), signal.SIGKILL)
        return items

    with open_cluster(workers=2) as client:
        outcomes = list(run_tasks(client, work, range(16), 4))
    assert sorted(outcome.index for outcome in outcomes) == list(range(16))
    assert [outcome.index for outcome in outcomes if outcome.error] == [5]
    assert all(outcome.value == outcome.index for outcome in outcomes if not outcome.error)


@pytest.mark.parametrize("address", ["not an address", "ftp://127.0.0.1:1", "tcp://"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises((ValueError, OSError), match="Dask scheduler"), open_cluster(address):
        pass


def test_a_scheduler_that_is_not_there_is_told(monkeypatch):
    monkeypatch.setattr("affectkit.pipeline.predict.cluster._CONNECT_SECONDS", 1)
    message = "no Dask scheduler answers at tcp://127.0.0.1:9"
    with pytest.raises(OSError, match=message), open_cluster("tcp://127.0.0.1:9"):
        pass


def test_without_dask_it_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    message = r'pip install "affectkit\[cluster\]"'
    with pytest.raises(ImportError, match=message), open_cluster():
        pass


def test_at_least_one_worker_is_needed():
    with pytest.raises(ValueError, match="at least 1 worker"), open_cluster(workers=0):
        pass


def test_workers_with_another_affectkit_are_refused(client, monkeypatch):
    monkeypatch.setattr("affectkit.pipeline.predict.cluster.__version__", "0.0.1")
    address = client.scheduler.address
    message = r"has affectkit .*, here it is 0\.0\.1"
    with pytest.raises(ValueError, match=message), open_cluster(address):
        pass


def test_a_process_works_on_one_batch_at_a_time(tmp_path):
    from distributed import LocalCluster

    def work(items):
        with (tmp_path / "alone").open("x"):
            time.sleep(0.02)
        (tmp_path / "alone").unlink()
        return items

    cluster = LocalCluster(
        n_workers=1, threads_per_worker=4, host="127.0.0.1", dashboard_address="127.0.0.1:0"
    )
    with cluster, open_cluster(cluster.scheduler_address) as client:
        assert len(list(run_tasks(client, work, range(20)))) == 20
