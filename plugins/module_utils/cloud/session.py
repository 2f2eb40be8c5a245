# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""botocore's session without what only Amazon's services need: its profiles, its tables of endpoints and partitions, and its
handlers for the 400 services that Eucalyptus does not have.

A module is a process of its own, and botocore's start is most of its cost.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import typing as t

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud import instance_types
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.quick_import import without_collections

with contextlib.suppress(ImportError), without_collections():  # `client` reports a missing library
    import botocore.handlers
    import botocore.hooks
    import botocore.loaders
    import botocore.session

SERVICES = ['ec2', 's3']
EC2_API_VERSION = '2014-10-01'
# In the form of botocore's data/endpoints.json, which has 1.2 MB. Nothing uses these addresses: every client has a URL.
_ENDPOINTS: dict[str, t.Any] = {
    'version': 3,
    'partitions': [
        {
            'partition': 'aws',
            'partitionName': 'AWS Standard',
            'regions': {},
            'regionRegex': '.*',
            'services': {},
            'defaults': {'hostname': '{service}.{region}.{dnsSuffix}', 'protocols': ['https'], 'signatureVersions': ['v2', 's3']},
            'dnsSuffix': 'invalid',
        }
    ],
}
# In the form of botocore's data/partitions.json. The rules for endpoints look up the region's partition in any case.
_PARTITIONS: dict[str, t.Any] = {
    'version': '1.1',
    'partitions': [
        {
            'id': 'aws',
            'regionRegex': '.*',
            'regions': {},
            'outputs': {'dnsSuffix': 'invalid', 'dualStackDnsSuffix': 'invalid', 'supportsDualStack': False, 'supportsFIPS': False},
        }
    ],
}
_TABLES = {'endpoints': _ENDPOINTS, 'partitions': _PARTITIONS}


def _loader() -> t.Any:
    """Return a loader that reads the models of the two services, and does not search botocore's data for the others.

    Compressed files, which are the large ones, become plain dicts. botocore's own loader takes longer for ordered ones.
    """

    class Loader(botocore.loaders.Loader):
        def list_available_services(self, type_name: str) -> list[str]:
            return SERVICES

        def load_data_with_path(self, name: str) -> tuple[t.Any, str]:
            if name in _TABLES:
                return _TABLES[name], ''
            path = f'{self.BUILTIN_DATA_PATH}/{name}.json.gz'
            with contextlib.suppress(FileNotFoundError), gzip.open(path) as file:
                return json.load(file), path
            return super().load_data_with_path(name)

    return Loader()


def _hooks() -> t.Any:
    """Return botocore's own handlers of the events of the two services and of every service.

    An event is named KIND or KIND.SERVICE…; those of kind `docs` belong to the documentation of a client.
    """
    hooks = botocore.hooks.HierarchicalEmitter()
    register = {
        None: hooks.register,
        botocore.handlers.REGISTER_FIRST: hooks.register_first,
        botocore.handlers.REGISTER_LAST: hooks.register_last,
    }
    for event, handler, *order in botocore.handlers.BUILTIN_HANDLERS:
        kind, *service = event.split('.')[:2]
        if kind != 'docs' and all(name in ('*', *SERVICES) for name in service):
            register[order[0] if order else None](event, handler)
    return hooks


def make() -> t.Any:
    """Return a session whose clients read no file of Amazon's tools: a profile, for example, would be wrong for this cloud."""
    variables: dict[str, t.Any] = {'profile': (None, [], None, None)}
    session = botocore.session.Session(variables, event_hooks=_hooks(), include_builtin_handlers=False)
    session.set_config_variable('config_file', '/dev/null')
    session.set_config_variable('credentials_file', '/dev/null')
    loader = _loader()
    session.register_component('data_loader', loader)
    # The loader keeps what it has read, so clients are made from the model with the addition.
    instance_types.add_to(loader.load_service_model('ec2', 'service-2', api_version=EC2_API_VERSION))
    return session
