"""How gunicorn serves the page: one process a core, a few threads each, on this machine only.

It never listens beyond 127.0.0.1 unless CLINIC_BIND says so; docs/clinic.md: HTTPS by a proxy.
"""

import os

bind = os.environ.get('CLINIC_BIND', '127.0.0.1:8000')
wsgi_app = 'clinic.wsgi:application'
workers = int(os.environ.get('CLINIC_WORKERS', os.cpu_count() or 1))
threads = 4
timeout = 120
# Slow uploads wait in a thread, not in a process; a stopped one is let finish.
worker_class = 'gthread'
graceful_timeout = 30
# Memory, not disk: a heartbeat must not wait for a full or slow one.
worker_tmp_dir = '/dev/shm'


def post_worker_init(_: object) -> None:
    """Load the networks before the first patient waits; after the fork, which they outlive not."""
    from clinic.cases import faces, jobs

    faces.load()
    jobs.sweep_for_ever()
