"""Settings of the clinic page. What differs between machines comes from the environment.

It loads nothing from outside the machine and never runs with DEBUG.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import dj_database_url
from django.utils.translation import gettext_lazy as _

ROOT = Path(__file__).parent
# Database, kept pictures and the key; nobody else on the machine may look into it.
DATA = Path(os.environ.get('CLINIC_DATA', ROOT / 'var')).resolve()
CASES, WORK, MODELS = DATA / 'cases', DATA / 'work', DATA / 'models'
for _folder in (DATA, CASES, WORK, MODELS):
    _folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _secret_key() -> str:
    given = os.environ.get('CLINIC_SECRET_KEY')
    if given:
        return given
    path = DATA / 'secret_key'
    try:
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), 'w') as file:
            file.write(secrets.token_urlsafe(64))
    except FileExistsError:
        pass
    return path.read_text()


SECRET_KEY = _secret_key()
DEBUG = False
HTTPS = os.environ.get('CLINIC_HTTPS') == '1'
ALLOWED_HOSTS = os.environ.get('CLINIC_HOSTS', 'localhost,127.0.0.1,[::1]').split(',')
CSRF_TRUSTED_ORIGINS = [f'https://{host}' for host in ALLOWED_HOSTS] if HTTPS else []

INSTALLED_APPS = [
    'clinic.cases',  # before the admin, whose pages for passwords it replaces
    'django.contrib.admin',
    'django.contrib.auth',
    'django.contrib.contenttypes',
    'django.contrib.sessions',
    'django.contrib.messages',
    'whitenoise.runserver_nostatic',
    'django.contrib.staticfiles',
    'axes',
]
MIDDLEWARE = [
    'django.middleware.security.SecurityMiddleware',
    'whitenoise.middleware.WhiteNoiseMiddleware',
    'clinic.cases.middleware.headers',
    'django.contrib.sessions.middleware.SessionMiddleware',
    'django.middleware.locale.LocaleMiddleware',
    'django.middleware.common.CommonMiddleware',
    'clinic.cases.middleware.UploadLimit',  # before Csrf, which reads the whole form
    'django.middleware.csrf.CsrfViewMiddleware',
    'django.contrib.auth.middleware.AuthenticationMiddleware',
    'django.contrib.auth.middleware.LoginRequiredMiddleware',
    'django.contrib.messages.middleware.MessageMiddleware',
    'django.middleware.clickjacking.XFrameOptionsMiddleware',
    'axes.middleware.AxesMiddleware',
]
ROOT_URLCONF = 'clinic.urls'
WSGI_APPLICATION = 'clinic.wsgi.application'
TEMPLATES = [{
    'BACKEND': 'django.template.backends.django.DjangoTemplates',
    'APP_DIRS': True,
    'OPTIONS': {'context_processors': [
        'django.template.context_processors.request',
        'django.contrib.auth.context_processors.auth',
        'django.contrib.messages.context_processors.messages',
        'clinic.cases.access.context',
    ]},
}]
FORM_RENDERER = 'django.forms.renderers.TemplatesSetting'
INSTALLED_APPS += ['django.forms']

DATABASES = {'default': dj_database_url.config(
    default=f'sqlite:///{DATA / "clinic.sqlite3"}', conn_max_age=60, conn_health_checks=True)}
if DATABASES['default']['ENGINE'].endswith('sqlite3'):
    # Several processes write: wait for each other, and read while one writes.
    DATABASES['default']['OPTIONS'] = {
        'timeout': 20, 'transaction_mode': 'IMMEDIATE',
        'init_command': 'PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;'}
DEFAULT_AUTO_FIELD = 'django.db.models.BigAutoField'

# --- Who comes in -------------------------------------------------------------------------------
PASSWORD_HASHERS = ['django.contrib.auth.hashers.Argon2PasswordHasher']
AUTH_PASSWORD_VALIDATORS = [
    {'NAME': 'django.contrib.auth.password_validation.UserAttributeSimilarityValidator'},
    {'NAME': 'django.contrib.auth.password_validation.MinimumLengthValidator',
     'OPTIONS': {'min_length': 12}},
    {'NAME': 'django.contrib.auth.password_validation.CommonPasswordValidator'},
    {'NAME': 'django.contrib.auth.password_validation.NumericPasswordValidator'},
]
AUTHENTICATION_BACKENDS = ['axes.backends.AxesStandaloneBackend',
                           'django.contrib.auth.backends.ModelBackend']
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [['username', 'ip_address']]
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_TEMPLATE = 'registration/locked.html'
AXES_VERBOSE = False
LOGIN_URL, LOGIN_REDIRECT_URL, LOGOUT_REDIRECT_URL = 'login', 'home', 'login'

# A page left open on a ward is nobody's after this long.
SESSION_COOKIE_AGE = int(os.environ.get('CLINIC_SESSION_MINUTES', '30')) * 60
SESSION_SAVE_EVERY_REQUEST = True
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = 'Strict'
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_PROXY_SSL_HEADER = ('HTTP_X_FORWARDED_PROTO', 'https') if HTTPS else None
SECURE_REFERRER_POLICY = 'same-origin'
X_FRAME_OPTIONS = 'DENY'

# --- What comes in ------------------------------------------------------------------------------
MEGABYTE = 1 << 20
# By the name of the page; every other one takes small forms only.
UPLOAD_LIMITS = {'face': 25 * MEGABYTE, 'video': 200 * MEGABYTE, 'guided': 200 * MEGABYTE,
                 'scan': 600 * MEGABYTE}
SMALL_FORM = MEGABYTE
DATA_UPLOAD_MAX_NUMBER_FILES = 1600
DATA_UPLOAD_MAX_MEMORY_SIZE = MEGABYTE
# A picture nobody agreed to keep is never a file; a longer upload waits in WORK.
FILE_UPLOAD_MAX_MEMORY_SIZE = UPLOAD_LIMITS['face']
FILE_UPLOAD_TEMP_DIR = str(WORK)
FILE_UPLOAD_PERMISSIONS = 0o600
MAX_VIDEO_S = 300
MAX_JOBS = 2
# Figures of a check whose picture is not kept stay this long, for its PDF, then go too.
UNKEPT_MINUTES = 60

EMERGENCY_NUMBER = os.environ.get('CLINIC_EMERGENCY_NUMBER', '112')

# --- Words, time, static files ------------------------------------------------------------------
LANGUAGE_CODE = 'en'
LANGUAGES = [('en', _('English')), ('de', _('German'))]
LOCALE_PATHS = [ROOT / 'locale', ROOT / 'locale_report']
USE_TZ, TIME_ZONE = True, os.environ.get('CLINIC_TIME_ZONE', 'UTC')
STATIC_URL = 'static/'
WHITENOISE_USE_FINDERS = True

LOGGING = {
    'version': 1, 'disable_existing_loggers': False,
    'formatters': {'line': {'format': '%(asctime)s %(levelname)s %(name)s: %(message)s'}},
    'handlers': {'console': {'class': 'logging.StreamHandler', 'formatter': 'line'}},
    'root': {'handlers': ['console'], 'level': 'WARNING'},
}
