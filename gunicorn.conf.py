"""How the portal is served, in production as in `make run`; the environment changes the figures.

The application writes one line per request itself (portal.middleware), so gunicorn writes none; what gunicorn
has to say goes through the same formatter.
"""

import os

bind = os.environ.get("WEB_BIND", "127.0.0.1:8000")
worker_class = "gthread"
# Two processes use two cores; threads wait for the database. Each thread holds one database connection.
workers = int(os.environ.get("WEB_WORKERS", "2"))
threads = int(os.environ.get("WEB_THREADS", "8"))
backlog = 512
# Longer than the 60 s after which load balancers commonly drop an idle connection, so that it is they who close it.
keepalive = int(os.environ.get("WEB_KEEPALIVE", "75"))
# A worker that reports no life for this long is replaced; existing clients give up on an answer after 60 s.
timeout = int(os.environ.get("WEB_TIMEOUT", "60"))
graceful_timeout = int(os.environ.get("WEB_GRACEFUL_TIMEOUT", "30"))
# Heartbeats go to memory: on a busy disk they have been seen to block a worker until it was killed.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112, S108 - a folder of gunicorn's choosing
limit_request_line = 8190
forwarded_allow_ips = os.environ.get("WEB_FORWARDED_ALLOW_IPS", "127.0.0.1")
# It would be one file in the home folder, where two instances meet.
control_socket_disable = True

accesslog = None
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "portal.logs.Formatter", "form": os.environ.get("LOG_FORMAT", "json")}},
    "handlers": {"line": {"class": "logging.StreamHandler", "formatter": "line", "stream": "ext://sys.stdout"}},
    "root": {"level": "INFO", "handlers": ["line"]},
    "loggers": {
        "gunicorn.error": {"level": "INFO", "handlers": ["line"], "propagate": False},
        "gunicorn.access": {"level": "INFO", "handlers": [], "propagate": False},
    },
}
