# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that say which cloud, and as whom."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  ec2_url:
    description:
      - Endpoint of the cloud's EC2 service, for example V(http://cloud.example.com:8773/services/compute).
        On Eucalyptus 3 its path is V(/services/Eucalyptus).
      - Otherwise E(EC2_URL) of O(eucarc) or the environment, or C(ec2-url) of the region.
    type: str
  s3_url:
    description:
      - Endpoint of the cloud's object storage, for example V(http://cloud.example.com:8773/services/objectstorage).
        On Eucalyptus 3 its path is V(/services/Walrus).
      - Otherwise E(S3_URL) of O(eucarc) or the environment, or C(s3-url) of the region.
    type: str
  access_key:
    description:
      - The access key's id.
      - Otherwise E(EC2_ACCESS_KEY), E(AWS_ACCESS_KEY) or E(AWS_ACCESS_KEY_ID) of O(eucarc) or the environment, or
        C(key-id) of the region's user.
    type: str
  secret_key:
    description:
      - The secret key.
      - Otherwise E(EC2_SECRET_KEY), E(AWS_SECRET_KEY) or E(AWS_SECRET_ACCESS_KEY) of O(eucarc) or the environment, or
        C(secret-key) of the region's user.
    type: str
  account_id:
    description:
      - The account's number, 12 digits.
      - Otherwise E(EC2_ACCOUNT_NUMBER) or E(EC2_USER_ID) of O(eucarc) or the environment, or C(account-id) of the
        region's user.
    type: str
  region:
    description:
      - A region of the ini files of euca2ools, C(~/.euca/*.ini) and C(/etc/euca2ools); V(user@region) names another
        user than the region's own. The environment is then not read.
      - Without it, E(EUCA_DEFAULT_REGION), E(AWS_DEFAULT_REGION) or C(default-region) decide, when the environment
        is not complete.
    type: str
  eucarc:
    description:
      - An C(eucarc) file. When it is given, it alone completes the other options; neither the environment nor the
        ini files are read.
      - The file is parsed, no command in it is run.
    type: path
  validate_certs:
    description: Whether to check the certificates of C(https) endpoints. A cloud's own certificate is self-signed by
      default.
    type: bool
    default: true
  ca_path:
    description: File with the certificates of the authorities to trust, for C(https) endpoints.
    type: path
requirements:
  - boto3
notes:
  - Endpoint and keys are taken from the options, completed by B(one) further source, the first that applies of
    O(eucarc), the O(region) of the ini files, the environment, the default region of the ini files. Two sources are
    never mixed.
  - When O(ec2_url), O(access_key) and O(secret_key) are all given, without O(eucarc) and O(region), the options are
    B(all) that counts. Neither the environment nor the ini files are read then, not for certificates or O(s3_url)
    either, because they could be another cloud's.
  - In an C(eucarc) and in the environment the secret key is the one of the same kind as the access key, C(EC2_) or
    C(AWS_). E(AWS_SECURITY_TOKEN) or E(AWS_SESSION_TOKEN) is sent only when E(AWS_ACCESS_KEY) or
    E(AWS_ACCESS_KEY_ID) is the access key.
  - Requests are signed with version 2 signatures, which every Eucalyptus from 3.1 to 5 accepts. The clock of the
    machine that runs the module must not be ahead of the cloud's by more than 20 seconds.
"""
