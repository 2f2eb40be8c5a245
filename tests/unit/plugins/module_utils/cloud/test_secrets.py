# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.secrets import secret_parts, shown, url_secrets


@pytest.mark.parametrize(
    ('src', 'named', 'secrets'),
    [
        ('/srv/a?b@c', '/srv/a?b@c', set()),
        ('https://x.test/a@1/b?', 'https://x.test/a@1/b', set()),
        (
            'https://me:Pa@55@x.test:8443/image?X-Signature=abc',
            'https://x.test:8443/image',
            {'https://me:Pa@55@', '?X-Signature=abc'},
        ),
        ('https://token@[::1]:8443/image#abc', 'https://[::1]:8443/image', {'https://token@', '#abc'}),
        ('ftp://me:Pa55@x.test/image', 'ftp://x.test/image', {'ftp://me:Pa55@'}),
        ('https://me:Pa/55@x.test/image', 'the URL', {'https://me:Pa/55@x.test/image'}),
        ('file:///var/lib/fai/config', 'file:///var/lib/fai/config', set()),
        ('http://u:geheim@/x', 'http:///x', {'http://u:geheim@'}),
    ],
)
def test_messages_name_a_url_without_user_and_query_and_ansible_masks_these(src, named, secrets):
    assert (shown(src), url_secrets(src)) == (named, secrets)


@pytest.mark.parametrize('text', ['rescue', 'ip=dhcp console=ttyS0,115200', 'inst.ks=http://x.test/a.ks', 'plain text', ''])
def test_a_text_without_secrets_masks_nothing(text):
    assert secret_parts(text) == set()


SIGNED = 'http://192.0.2.1:8773/b/k?AWSAccessKeyId=AKI&Signature=Ab%2Bcd%3D12&Expires=1'


@pytest.mark.parametrize(
    ('text', 'parts'),
    [
        (f'ip=dhcp inst.ks={SIGNED} vnc', {SIGNED.partition('k?')[2].join(['?', '']), 'Ab%2Bcd%3D12', 'Ab+cd=12'}),
        ('url=http://me:pw@x.test/p.cfg', {'http://me:pw@'}),
        ('password=rescue', {'password=rescue'}),
        ('inst.vncpassword=Geheim99 vnc', {'inst.vncpassword=Geheim99', 'Geheim99'}),
        ('rootpw=install', {'rootpw=install'}),
        ('VNCPassword="two words"', {'VNCPassword="two words"'}),
        ('live.password_hash=$6$salt$abc/def', {'live.password_hash=$6$salt$abc/def', '$6$salt$abc/def'}),
        ('passwd/root-password=x', {'passwd/root-password=x'}),
        ('{"hashed_passwd": "$y$j9T$abc"}', {'hashed_passwd": "$y$j9T$abc"', '$y$j9T$abc'}),
        ('rootpw --plaintext Sesam-1234', {'rootpw --plaintext Sesam-1234', 'Sesam-1234'}),
    ],
)
def test_signatures_passwords_and_hashes_are_masked_and_nothing_else(text, parts):
    assert secret_parts(text) == parts


def test_a_text_of_several_lines_is_masked_as_a_whole_too():
    assert secret_parts('#!/bin/sh\nmysql -pgeheim\n') == {'#!/bin/sh\nmysql -pgeheim\n'}
