# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image, or the instance, that an earlier build of the same inputs made, and its changes that need no new build."""

from __future__ import annotations

from ansible_collections.eucalyptus.cloud.plugins.module_utils.build import recipe as of_build
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build.recipe import KEY_TAG, Recipe
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.client import Cloud
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.resources import (
    INSTANCE,
    Resource,
    listing,
    look,
    with_volumes,
)
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.tags import plan_tags
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image import registration
from ansible_collections.eucalyptus.cloud.plugins.module_utils.plan import Plan


def find(cloud: Cloud, recipe: Recipe, key: str) -> Resource | None:
    """The finished image or instance of this build key. Raises CloudError."""
    if recipe['target'] == of_build.INSTANCE:
        instances = [
            one for one in listing(cloud, INSTANCE) if one['tags'].get(KEY_TAG) == key and one['state'] not in INSTANCE.gone
        ]
        return with_volumes(cloud, instances[:1])[0] if instances else None
    name = recipe.image_name(key)
    images = [image for image in registration.registered(cloud) if image['name'] == name and KEY_TAG in image['tags']]
    return registration.with_permissions(cloud, images[0] if images else None)


def plan_changes(plan: Plan, cloud: Cloud, recipe: Recipe, tags: dict[str, str]) -> None:
    """Add the steps that bring what ``find`` found into the wanted state."""
    if recipe['target'] == of_build.INSTANCE:
        plan_tags(plan, cloud, lambda: plan.before['instance_id'], {'tags': tags})
        return
    image_id, description = plan.before['image_id'], recipe['description']
    if description and description != plan.before['description']:
        plan.step('set the description', lambda: registration.describe(cloud, image_id, description), description=description)
    registration.plan_permissions(plan, cloud, lambda: image_id, recipe.permissions())
    plan_tags(plan, cloud, lambda: image_id, {'tags': tags})
    if plan.changed:
        plan.result_from(lambda: registration.with_permissions(cloud, look(cloud, registration.IMAGE, image_id)))
