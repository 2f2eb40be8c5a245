# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A thousand cases of hostile user data, always other ones; tests/hook/fuzz.py runs as many as one likes."""

from __future__ import annotations

import time

from tests.hook import fuzz, hook_hostile
from tests.hook.hook_oracle import MARKER


def test_hostile_user_data():
    seed = int(time.time()) * 10_000
    counts, failures = fuzz.run(1000, 10**9, seed)
    print(counts)
    assert not failures, '\n\n'.join(failures)
    assert counts['applied'] > 100
    assert counts['refused'] > 100
    assert counts['no marker'] > 100


def test_the_generator_reaches_what_it_is_for():
    """A generator that went quiet would make the fuzzer pass for nothing."""
    rng = hook_hostile.random.Random(1)
    data = [hook_hostile.raw(rng, b'S3cret') for _ in range(3000)]
    texts = [hook_hostile.encode(text) for text in data]
    assert sum(MARKER in text for text in data) > 1500
    assert sum(len(text) == 16383 for text in texts) > 60
    for payload in hook_hostile.FRAGMENTS:
        assert any(payload.encode() in text for text in data), payload
    for byte in hook_hostile.BAD:
        assert any(byte in text for text in data), byte
