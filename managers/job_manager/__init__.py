"""The job manager, and the worker processes that it runs."""

from managers.job_manager.manager import Assigned as Assigned
from managers.job_manager.manager import JobManager as JobManager
from managers.job_manager.manager import StartWorker as StartWorker
from managers.job_manager.worker import Worker as Worker
