"""The tables as they began."""

import uuid

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='AuditEntry',
            fields=[
                (
                    'id',
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name='ID'
                    ),
                ),
                ('at', models.DateTimeField(db_index=True, default=django.utils.timezone.now)),
                ('user', models.CharField(max_length=150)),
                ('act', models.CharField(max_length=40)),
                ('about', models.CharField(blank=True, max_length=200)),
            ],
            options={
                'verbose_name': 'audit entry',
                'verbose_name_plural': 'audit log',
                'ordering': ('-at', '-id'),
            },
        ),
        migrations.CreateModel(
            name='Case',
            fields=[
                (
                    'id',
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    'kind',
                    models.CharField(
                        choices=[
                            ('face', 'Face picture'),
                            ('video', 'Video'),
                            ('scan', 'Head scan'),
                        ],
                        max_length=8,
                    ),
                ),
                (
                    'state',
                    models.CharField(
                        choices=[
                            ('waiting', 'Waiting'),
                            ('running', 'Being assessed'),
                            ('done', 'Assessed'),
                            ('failed', 'Could not be assessed'),
                        ],
                        default='waiting',
                        max_length=8,
                    ),
                ),
                ('made', models.DateTimeField(db_index=True, default=django.utils.timezone.now)),
                ('kept', models.BooleanField(default=False)),
                ('patient_key', models.CharField(blank=True, max_length=64)),
                ('progress', models.PositiveSmallIntegerField(default=0)),
                ('problem', models.CharField(blank=True, max_length=300)),
                ('result', models.JSONField(default=dict)),
                ('given_by', models.JSONField(default=dict)),
                (
                    'owner',
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name='cases',
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                'ordering': ('-made',),
            },
        ),
        migrations.CreateModel(
            name='Opinion',
            fields=[
                (
                    'id',
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name='ID'
                    ),
                ),
                ('made', models.DateTimeField(default=django.utils.timezone.now)),
                ('label', models.CharField(max_length=16)),
                ('comment', models.CharField(blank=True, max_length=500)),
                (
                    'state',
                    models.CharField(
                        choices=[
                            ('waiting', 'Waits for an expert'),
                            ('confirmed', 'Confirmed'),
                            ('rejected', 'Not to be used'),
                        ],
                        default='waiting',
                        max_length=10,
                    ),
                ),
                ('confirmed', models.CharField(blank=True, max_length=16)),
                ('confirmed_at', models.DateTimeField(blank=True, null=True)),
                (
                    'by',
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name='opinions',
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    'case',
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name='opinions',
                        to='cases.case',
                    ),
                ),
                (
                    'expert',
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name='confirmations',
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                'ordering': ('made',),
            },
        ),
    ]
