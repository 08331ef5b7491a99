"""The sync planner: who gets which records, when, and what proves that they have them."""

from managers.sync_planner.manager import SyncPlanner as SyncPlanner
from managers.sync_planner.sync import Sync as Sync
