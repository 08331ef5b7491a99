"""The replay checker, and the process in which it has records replayed."""

from managers.replay_checker.manager import ReplayChecker as ReplayChecker
from managers.replay_checker.manager import StartReplayer as StartReplayer
from managers.replay_checker.replayer import Judgement as Judgement
from managers.replay_checker.replayer import Replayer as Replayer
from managers.replay_checker.replayer import Verdict as Verdict
