# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image import publication

FILES = sorted(Path(publication.__file__).parent.glob('*.py'))


def defined(path: Path) -> list[type[BaseException]]:
    module = importlib.import_module(f'{publication.__name__.rpartition(".")[0]}.{path.stem}')
    classes = [one for one in vars(module).values() if isinstance(one, type) and one.__module__ == module.__name__]
    return [one for one in classes if issubclass(one, BaseException)]


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.stem)
def test_every_exception_is_one_that_modules_report_as_it_is(path):
    assert all(issubclass(one, CollectionError) for one in defined(path))


def messages(path: Path) -> list[tuple[str, str]]:
    """Beginning and end of each message in a raise statement, where they are written out there."""
    found = []
    for statement in ast.walk(ast.parse(path.read_text())):
        if isinstance(statement, ast.Raise) and isinstance(statement.exc, ast.Call) and statement.exc.args:
            if ast.unparse(statement.exc.func) == 'AssertionError':  # for the reader and the type checker
                continue
            message = statement.exc.args[0]
            pieces = message.values if isinstance(message, ast.JoinedStr) else [message]
            texts = [piece.value if isinstance(piece, ast.Constant) else '…' for piece in pieces]
            if any(isinstance(text, str) and text != '…' for text in texts) and isinstance(message, (ast.Constant, ast.JoinedStr)):
                found.append((str(texts[0]), str(texts[-1])))
    return found


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.stem)
def test_every_message_is_a_sentence(path):
    for begin, end in messages(path):
        assert re.match(r'[A-Z…]|[a-z_]+: ', begin), begin  # an option's name may stand before it
        assert end.endswith(('.', '…')), end
