# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The protocols of the services, seen from the server: signatures, EC2's query protocol, XML, errors."""
