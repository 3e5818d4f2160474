"""Two hundred uploads that mean harm: one line each, no trace of a fault, no file left."""

import io
import struct
import sys
import zlib

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from clinic.cases import videos
from clinic.cases.models import Case
from clinic.cases.pictures import UploadError
from clinic.tests.conftest import jpeg, png


def chunk(kind, data):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def png_bomb(side):
    """A PNG of side x side black pixels in some kilobytes."""
    header = struct.pack('>IIBBBBB', side, side, 8, 2, 0, 0, 0)
    return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header)
            + chunk(b'IDAT', zlib.compress(bytes(1 << 20), 9)) + chunk(b'IEND', b''))


def hostile(picture):
    good, lossless = jpeg(picture), png(picture)
    yield from (b'', b'\0' * 100, b'GIF89a' + bytes(50), b'<svg onload="alert(1)"/>', b'%PDF-1.7',
                b'PK\x03\x04' + bytes(200), b'#!/bin/sh\nrm -rf /', b'\xff\xd8\xff',
                b'\x89PNG\r\n\x1a\n',
                png_bomb(60_000), png_bomb(2**31 - 1), good[:2000], lossless[:2000],
                b'\0\0\0\x0cjP  \r\n\x87\n' + bytes(100))
    big = io.BytesIO()
    Image.new('1', (30_000, 30_000)).save(big, 'PNG')
    yield big.getvalue()
    rng = np.random.default_rng(7)
    for number in range(190):
        broken = bytearray((good, lossless)[number % 2][:int(rng.integers(30, 20_000))])
        for place in rng.integers(0, len(broken), 20):
            broken[place] = int(rng.integers(256))
        yield bytes(broken)


def test_two_hundred_hostile_pictures_leave_nothing(browse, left_weak, stored, caplog):
    client = browse('clinician')
    count = 0
    for data in hostile(left_weak):
        answer = client.post('/face/', {'consent': 'on', 'keep': 'on',
                                        'picture': SimpleUploadedFile('../../etc/x.png', data)})
        assert answer.status_code == 400, (count, data[:40])
        assert b'errorlist' in answer.content
        assert b'Traceback' not in answer.content
        count += 1
    assert count >= 200
    assert not Case.objects.exists()
    assert stored() == []
    assert [record for record in caplog.records if record.exc_info] == []


def test_what_is_too_large_is_refused_before_it_is_read(browse, settings, stored):
    settings.UPLOAD_LIMITS = {'face': 1000}
    answer = browse('clinician').post(
        '/face/', {'consent': 'on', 'picture': SimpleUploadedFile('x.png', bytes(5000))})
    assert answer.status_code == 413
    assert b'Too large' in answer.content
    assert stored() == []


@pytest.mark.parametrize('data', [
    b'', b'#EXTM3U\n#EXTINF:1\nhttp://127.0.0.1:9/x.ts', b'ffconcat version 1.0\nfile /etc/passwd',
    bytes(4) + b'ftypisom' + bytes(100), b'\x1a\x45\xdf\xa3' + bytes(100)])
def test_what_only_looks_like_a_video_is_refused(tmp_path, data):
    (tmp_path / 'video').write_bytes(data)
    with pytest.raises(UploadError):
        videos._check(tmp_path / 'video')


@pytest.mark.parametrize('cues', ['{', '[1]', '[{"exercise": "dance", "start_s": 1, "stop_s": 2}]',
                                  '[{"exercise": "smile", "start_s": 2, "stop_s": 1}]',
                                  '[{"exercise": "smile", "start_s": NaN, "stop_s": 1}]'])
def test_damaged_cues_are_refused(cues):
    with pytest.raises(UploadError, match='record again'):
        videos.read_cues(cues)


_connected = []
sys.addaudithook(lambda event, given: _connected.append(given[1])
                 if event in ('socket.connect', 'socket.sendto') else None)


def test_a_check_opens_no_connection(browse, left_weak):
    client = browse('clinician')
    _connected.clear()
    client.post('/face/', {'consent': 'on', 'picture': SimpleUploadedFile('f.png', png(left_weak))})
    # A database's own socket is no connection to outside.
    assert [one for one in _connected if not str(one[0]).startswith(('127.', '/', '::1'))] == []
