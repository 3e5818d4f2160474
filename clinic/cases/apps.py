"""Names the application to Django.

It only connects signals.
"""

from django.apps import AppConfig


class CasesConfig(AppConfig):
    """`clinic.cases`."""

    name = 'clinic.cases'
    verbose_name = 'Clinic'

    def ready(self) -> None:
        """Let logins and deletions leave their traces."""
        from clinic.cases import signals  # noqa: F401
