"""A long command ends at a good moment when it is told to stop, and at once when told again."""

import signal

import pytest
import typer

from affectkit.cli.stopping import Stopped, stop_signals


def test_the_signal_is_held_back_until_the_command_can_stop(capsys):
    before = signal.getsignal(signal.SIGTERM)
    done = []

    def work(check):
        check()
        signal.raise_signal(signal.SIGTERM)
        done.append("what was begun")
        check()
        done.append("what was not")

    with pytest.raises(typer.Exit) as ended, stop_signals("Stopped. It goes on [here].") as check:
        work(check)
    assert done == ["what was begun"]
    assert ended.value.exit_code == 128 + signal.SIGTERM
    assert capsys.readouterr() == ("", "Stopped. It goes on [here].\n")
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_second_signal_stops_at_once():
    def send_both():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("went on")

    with pytest.raises(Stopped) as stopped, stop_signals():
        send_both()
    assert stopped.value.number == signal.SIGINT


def test_other_errors_pass():
    with pytest.raises(ValueError, match="other"), stop_signals("Stopped"):
        raise ValueError("other")
