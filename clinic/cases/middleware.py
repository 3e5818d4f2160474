"""What holds for every answer and every request: headers that let nothing in from outside, and a
limit on what may be sent.

It never looks at content.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.response import SimpleTemplateResponse
from django.utils.translation import gettext as _

Answer = Callable[[HttpRequest], HttpResponse]
# blob: and data: are pictures that the page itself made and has not sent.
POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; "
          "connect-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
          "form-action 'self'; base-uri 'none'; frame-ancestors 'none'")


def headers(get_response: Answer) -> Answer:
    """Content-Security-Policy, Permissions-Policy, and no copy of patients in any cache."""
    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault('Content-Security-Policy', POLICY)
        response.headers.setdefault(
            'Permissions-Policy', 'camera=(self), microphone=(), geolocation=()')
        response.headers.setdefault('Cache-Control', 'no-store')
        return response
    return answer


class UploadLimit:
    """Refuses what is too large before a byte of it is read."""

    def __init__(self, get_response: Answer) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Django's protocol."""
        return self._get_response(request)

    def process_view(self, request: HttpRequest, *_args: Any) -> HttpResponse | None:
        """413 with one line, or None to go on."""
        match = request.resolver_match
        limit = settings.UPLOAD_LIMITS.get(match.url_name, settings.SMALL_FORM) \
            if match else settings.SMALL_FORM
        try:
            length = int(request.META.get('CONTENT_LENGTH') or 0)
        except ValueError:
            length = 0
        if length <= limit:
            return None
        line = _('Too large: at most %(size)d MB can be sent here.') % {
            'size': limit // settings.MEGABYTE}
        request.user = None  # type: ignore[assignment]  # not known yet
        return SimpleTemplateResponse('cases/problem.html', {'line': line}, status=413).render()
