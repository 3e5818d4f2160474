"""The three roles."""

from django.db import migrations

ROLES = ('clinician', 'expert', 'administrator')


def add(apps, _):
    """Add the groups that stand for roles."""
    for name in ROLES:
        apps.get_model('auth', 'Group').objects.get_or_create(name=name)


class Migration(migrations.Migration):
    """See the module."""

    dependencies = (('cases', '0001_initial'), ('auth', '0012_alter_user_first_name_max_length'))
    operations = (migrations.RunPython(add, migrations.RunPython.noop),)
