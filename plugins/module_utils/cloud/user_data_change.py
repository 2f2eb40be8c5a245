# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changing the user data of a stopped instance.

Eucalyptus 4.0 and newer serve the new user data from the next start on. Versions 3 have no such request. In no version a node
controller gets user data at a start (VmRunType.setUserData), so its hook does nothing then.
"""

from __future__ import annotations

import base64
import typing as t

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.client import Cloud, CloudError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.user_data import NOTHING
from ansible_collections.eucalyptus.cloud.plugins.module_utils.plan import Plan

UNCHANGEABLE = 'This cloud, Eucalyptus 3, cannot change the user data of an instance, so {} keeps its own.'


def plan_user_data(plan: Plan, cloud: Cloud, instance_id: str, user_data: str, until_stopped: t.Callable[[], object]) -> str:
    """Add the step that gives an instance this user data once it is stopped. Returns a warning if the cloud cannot do that."""
    wanted = user_data.encode('utf-8', 'surrogateescape') or NOTHING
    about = f'instance {instance_id}'
    try:
        reply = cloud.ec2('describe_instance_attribute', about, InstanceId=instance_id, Attribute='userData')
    except CloudError as error:
        if error.no_parameter or error.no_action:
            return UNCHANGEABLE.format(about)
        raise
    present = base64.b64decode((reply.get('UserData') or {}).get('Value') or '')

    def change() -> None:
        until_stopped()
        cloud.ec2('modify_instance_attribute', about, InstanceId=instance_id, UserData={'Value': wanted})

    if present != wanted:
        plan.step(f'change the user data of {about}', change)
    return ''
