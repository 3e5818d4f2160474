"""What can be sent, and the one line for what cannot.

It opens no file; `pictures`, `videos` and `scans` do.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from stroke_side_monitor.patient_files.baseline_store import check_key


class ConsentForm(forms.Form):
    """Asked before anything is taken in."""

    consent = forms.BooleanField(
        label=_('The person shown, or who may decide for them, agrees to being measured here.'))
    keep = forms.BooleanField(
        required=False,
        label=_('They also agree that pictures and results are kept, may be looked at by an '
                'expert, and may train later models.'),
        help_text=_('Without this, no picture is stored and the figures are gone within an '
                    'hour. What is kept can be deleted at any time.'))
    patient_key = forms.CharField(
        required=False, max_length=64, label=_('Pseudonym (optional)'),
        help_text=_('Links the checks of one person. Letters, digits, “.”, “_”, “-”. '
                    'Never a name or date of birth.'))

    def clean_patient_key(self) -> str:
        """As the robot's own files want it."""
        key = self.cleaned_data['patient_key']
        try:
            return check_key(key) if key else ''
        except ValueError as error:
            raise forms.ValidationError(
                _('Only letters, digits, “.”, “_” and “-”; begin with a letter or digit.')
            ) from error


class FaceForm(ConsentForm):
    """One picture."""

    picture = forms.FileField(
        label=_('Picture (JPEG or PNG)'), allow_empty_file=True,
        widget=forms.FileInput(attrs={'accept': 'image/jpeg,image/png'}))
    mirrored = forms.BooleanField(
        required=False, label=_('This file is a mirror image'),
        help_text=_('Some phones store selfies mirrored: writing in the picture reads '
                    'backwards. The camera of this page never does.'))

    field_order = ('consent', 'keep', 'picture', 'mirrored', 'patient_key')


class VideoForm(ConsentForm):
    """One video."""

    video = forms.FileField(
        label=_('Video (MP4, MOV, WebM, MKV or AVI, at most 5 minutes)'), allow_empty_file=True,
        widget=forms.FileInput(attrs={'accept': 'video/*'}))
    mirrored = forms.BooleanField(
        required=False, label=_('This file is a mirror image'),
        help_text=_('Writing in the video reads backwards.'))

    field_order = ('consent', 'keep', 'video', 'mirrored', 'patient_key')


class GuidedForm(ConsentForm):
    """What the page recorded: the video, and when it asked for which exercise."""

    video = forms.FileField(allow_empty_file=True, widget=forms.FileInput(attrs={'hidden': True}))
    cues = forms.CharField(max_length=10_000, widget=forms.HiddenInput)

    field_order = ('consent', 'keep', 'patient_key', 'video', 'cues')


class SeveralFiles(forms.ClearableFileInput):
    """A field that takes a whole series."""

    allow_multiple_selected = True


class SeveralFilesField(forms.FileField):
    """A list of files, at least one."""

    widget = SeveralFiles

    def clean(self, data: Any, initial: Any = None) -> list[Any]:
        """Check each."""
        if not isinstance(data, (list, tuple)) or not data:
            raise forms.ValidationError(self.error_messages['required'], code='required')
        return [super(SeveralFilesField, self).clean(one, initial) for one in data]


class ScanForm(ConsentForm):
    """One scan of one patient."""

    files = SeveralFilesField(
        label=_('Files of one scan'), allow_empty_file=True,
        help_text=_('A DICOM series (all its files, or a ZIP of them), a NIfTI volume, or PNG and '
                    'JPEG pictures. Names and dates in the files are not kept.'))

    field_order = ('consent', 'keep', 'files', 'patient_key')


class OpinionForm(forms.Form):
    """A label and a remark."""

    label = forms.ChoiceField(label=_('In my judgement'), widget=forms.RadioSelect)
    comment = forms.CharField(label=_('Remark (no names)'), required=False, max_length=500)

    def __init__(self, labels: list[tuple[str, str]], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields['label'].choices = labels  # type: ignore[attr-defined]
