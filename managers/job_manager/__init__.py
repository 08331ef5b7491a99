"""The job manager, and the worker processes that it runs."""

from managers.job_manager.manager import Assigned as Assigned
from managers.job_manager.manager import JobManager as JobManager
