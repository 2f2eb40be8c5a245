# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""botocore's session without what only Amazon's services need: its profiles and its table of endpoints.

A module is a process of its own, and botocore's start is most of its cost.
"""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud import instance_types
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.quick_import import without_collections

with contextlib.suppress(ImportError), without_collections():  # `client` reports a missing library
    import botocore.loaders
    import botocore.session

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


def _loader() -> t.Any:
    """Return a loader that reads the models of the two services, and does not search botocore's data for the 400 others."""

    class Loader(botocore.loaders.Loader):
        def list_available_services(self, type_name: str) -> list[str]:
            return ['ec2', 's3']

        def load_data_with_path(self, name: str) -> tuple[t.Any, str]:
            return (_ENDPOINTS, '') if name == 'endpoints' else super().load_data_with_path(name)

    return Loader()


def make() -> t.Any:
    """Return a session whose clients read no file of Amazon's tools: a profile, for example, would be wrong for this cloud."""
    session = botocore.session.Session(session_vars={'profile': (None, [], None, None)})
    session.set_config_variable('config_file', '/dev/null')
    session.set_config_variable('credentials_file', '/dev/null')
    loader = _loader()
    session.register_component('data_loader', loader)
    # The loader keeps what it has read, so clients are made from the model with the addition.
    instance_types.add_to(loader.load_service_model('ec2', 'service-2', api_version=EC2_API_VERSION))
    return session
