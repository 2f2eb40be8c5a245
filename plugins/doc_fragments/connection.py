# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that select the cloud and the account."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  ec2_url:
    description:
      - Endpoint of the cloud's EC2 service, for example V(http://cloud.example.com:8773/services/compute).
        On Eucalyptus 3 its path is V(/services/Eucalyptus).
      - If unset, taken from E(EC2_URL) in O(eucarc) or the environment, or from C(ec2-url) of the region.
    type: str
  s3_url:
    description:
      - Endpoint of the cloud's object storage, for example V(http://cloud.example.com:8773/services/objectstorage).
        On Eucalyptus 3 its path is V(/services/Walrus).
      - If unset, taken from E(S3_URL) in O(eucarc) or the environment, or from C(s3-url) of the region.
    type: str
  access_key:
    description:
      - Access key ID.
      - If unset, taken from E(EC2_ACCESS_KEY), E(AWS_ACCESS_KEY) or E(AWS_ACCESS_KEY_ID) in O(eucarc) or the
        environment, from the file in E(AWS_CREDENTIAL_FILE), or from C(key-id) of the region's user.
    type: str
  secret_key:
    description:
      - Secret key.
      - If unset, taken from E(EC2_SECRET_KEY), E(AWS_SECRET_KEY) or E(AWS_SECRET_ACCESS_KEY) in O(eucarc) or the
        environment, from the file in E(AWS_CREDENTIAL_FILE), or from C(secret-key) of the region's user.
    type: str
  account_id:
    description:
      - Account number, 12 digits.
      - If unset, taken from E(EC2_ACCOUNT_NUMBER) or E(EC2_USER_ID) in O(eucarc) or the environment, or from
        C(account-id) of the region's user.
    type: str
  region:
    description:
      - Region of the ini files of euca2ools, as C(euca-… --region) accepts it, V(REGION), V(USER@) or V(USER@REGION).
        Endpoint and keys in the environment are then not read.
      - An omitted region or user comes from E(EUCA_DEFAULT_REGION) or E(AWS_DEFAULT_REGION), then from
        C(default-region). Without a user, the region's own user applies.
      - Without this option the same rules apply when the environment is not complete.
      - The files and their sections (C(use), wildcards, short names) are read as euca2ools reads them, see
        C(euca2ools.ini(5)).
    type: str
  eucarc:
    description:
      - A C(eucarc) file. If set, it alone completes the other options; neither the environment nor the
        ini files are read.
      - The file is read as bash reads it, but no command in it is run. The usual expressions for the directory of
        the file itself are supported. A value that depends on any other command, or on a variable that the file does
        not set, is left out.
    type: path
  validate_certs:
    description:
      - Whether to verify the certificates of C(https) endpoints. The default certificate of a cloud is self-signed.
      - If unset, C(verify-ssl) of the region applies. Without one, certificates are verified, unlike with euca2ools.
    type: bool
  ca_path:
    description: File with the certificates of the authorities to trust, for C(https) endpoints.
    type: path
requirements:
  - boto3
notes:
  - Endpoint and keys are taken from the options. B(One) further source completes them, the first that applies of
    O(eucarc), the O(region) of the ini files, the environment, the default region of the ini files. Two of these are
    never mixed.
  - If O(ec2_url), O(access_key) and O(secret_key) are all set, without O(eucarc) and O(region), B(only) the options are
    used. Even certificates and O(s3_url) are then not taken from the environment or the ini files, because those could
    belong to another cloud.
  - In a C(eucarc) and in the environment, both keys are taken from variables of the same kind, C(EC2_) or C(AWS_). A
    file in E(AWS_CREDENTIAL_FILE) is read when the variables contain no pair of keys. E(AWS_SECURITY_TOKEN) or
    E(AWS_SESSION_TOKEN) is sent only when E(AWS_ACCESS_KEY) or E(AWS_ACCESS_KEY_ID) is the access key.
  - Requests are signed with version 2 signatures, which every Eucalyptus from 3.1 to 5 accepts. The clock of the
    machine that runs the module must not be ahead of the cloud's by more than 20 seconds, nor behind it by more than 15
    minutes.
  - A request without an answer fails after 2 minutes. Read requests are sent up to three times while the cloud is
    unreachable or busy, all others once.
  - If the reply to a creation is lost, the resource may exist, and C(failure.lost) is true. The next run of the task finds
    the resource, or the message names it.
"""
