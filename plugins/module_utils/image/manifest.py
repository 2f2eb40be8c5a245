# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest of a bundle: its fields, writing and signing it, and reading it without trusting it.

The text is one line after the XML declaration, because Walrus of Eucalyptus 3 and the cloud controllers of 4.0 and 4.1
cut ``<machine_configuration>`` and ``<image>`` out of the raw file and check the signature over exactly these bytes.
Nothing that needs escaping is ever written, for the same reason.
"""

from __future__ import annotations

import re
import traceback
from dataclasses import dataclass, field

from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.certificates import CertificateError, rsa_key

# Library -> traceback of its failed import; the modules report it.
IMPORT_ERRORS: dict[str, str | None] = {}
try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding, rsa
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF
except ImportError:
    IMPORT_ERRORS['cryptography'] = traceback.format_exc()
try:
    from lxml import etree
except ImportError:
    IMPORT_ERRORS['lxml'] = traceback.format_exc()

ARCHITECTURES = ('i386', 'x86_64', 'armhf', 'ppc', 'ppc64', 'ppc64le')
IMAGE_TYPES = ('machine', 'kernel', 'ramdisk')
# The most that a cloud controller reads (ImageManifests.maxManifestSizeBytes).
MAX_BYTES = 5 * 1024 * 1024
MAX_PARTS = 20_000
UNSIGNED = 'UNSIGNED'

_PLAIN_NAME = r'[A-Za-z0-9_][A-Za-z0-9._-]{0,199}'  # needs no escaping, in XML or elsewhere
_FILE_NAME_LENGTH = 255
_DECLARATION = "<?xml version='1.0' encoding='ASCII'?>\n"


class ManifestError(CollectionError):
    """A manifest cannot be written or must not be trusted. The message names the field and the reason."""


@dataclass(frozen=True)
class PartEntry:
    filename: str
    digest: str  # SHA1 of the encrypted part, lower-case hex


@dataclass(frozen=True)
class Secrets:
    """AES key and initialisation vector, each wrapped by RSA, in hex; empty for an absent user certificate."""

    cloud_key: str
    cloud_iv: str
    user_key: str = ''
    user_iv: str = ''


@dataclass(frozen=True)
class Manifest:
    name: str
    user: str  # account number, without dashes
    image_type: str
    architecture: str
    size: int  # bytes of the image
    bundled_size: int  # bytes of all parts
    digest: str  # SHA1 of the uncompressed tar stream, lower-case hex
    secrets: Secrets
    parts: tuple[PartEntry, ...]
    kernel_id: str | None = None
    ramdisk_id: str | None = None
    block_devices: dict[str, str] = field(default_factory=dict)  # virtual name -> device
    signature: str = UNSIGNED

    def kernel_marker(self) -> str | None:
        return 'true' if self.image_type == 'kernel' else self.kernel_id

    def ramdisk_marker(self) -> str | None:
        return 'true' if self.image_type == 'ramdisk' else self.ramdisk_id


# --- writing -------------------------------------------------------------------------------------------------------


def render(manifest: Manifest, user_key: rsa.RSAPrivateKey | None = None) -> bytes:
    """The file's bytes, signed with the user's private key; UNSIGNED without one, which is enough since 4.2."""
    _check(manifest)
    for name in (manifest.name, *(part.filename for part in manifest.parts)):
        _match('filename', name, _PLAIN_NAME)
    machine, image = _machine_xml(manifest), _image_xml(manifest)
    signature = UNSIGNED
    if user_key is not None:
        signature = user_key.sign((machine + image).encode('ascii'), padding.PKCS1v15(), hashes.SHA1()).hex()
    bundler = ''.join(map(_element, ('name', 'version', 'release'), ('eucalyptus.cloud', '1', '0')))
    body = ''.join(
        (_element('version', '2007-10-10'), _element('bundler', bundler), machine, image, _element('signature', signature))
    )
    raw = (_DECLARATION + _element('manifest', body)).encode('ascii')
    if len(raw) > MAX_BYTES:
        raise ManifestError(
            f'The manifest has {len(raw)} bytes and the cloud reads at most {MAX_BYTES}. Choose a larger part_size.'
        )
    return raw


def _machine_xml(manifest: Manifest) -> str:
    mappings = ''.join(
        _element('mapping', _element('virtual', virtual) + _element('device', device))
        for virtual, device in sorted(manifest.block_devices.items())
    )
    inner = _element('architecture', manifest.architecture)
    if mappings:
        inner += _element('block_device_mapping', mappings)
    for tag, value in (('kernel_id', manifest.kernel_marker()), ('ramdisk_id', manifest.ramdisk_marker())):
        if value:
            inner += _element(tag, value)
    return _element('machine_configuration', inner)


def _image_xml(manifest: Manifest) -> str:
    sha1, aes = ' algorithm="SHA1"', ' algorithm="AES-128-CBC"'
    parts = ''.join(
        f'<part index="{index}">{_element("filename", part.filename)}{_element("digest", part.digest, sha1)}</part>'
        for index, part in enumerate(manifest.parts)
    )
    secrets = manifest.secrets
    # <type> directly after <user>: EC2 reads them in this order, and the cloud takes the document's first <user>.
    return _element(
        'image',
        ''.join(
            (
                _element('name', manifest.name),
                _element('user', manifest.user),
                _element('type', manifest.image_type),
                _element('digest', manifest.digest, sha1),
                _element('size', str(manifest.size)),
                _element('bundled_size', str(manifest.bundled_size)),
                _element('ec2_encrypted_key', secrets.cloud_key, aes),
                _element('user_encrypted_key', secrets.user_key, aes),
                _element('ec2_encrypted_iv', secrets.cloud_iv),
                _element('user_encrypted_iv', secrets.user_iv),
                f'<parts count="{len(manifest.parts)}">{parts}</parts>',
            )
        ),
    )


def _element(tag: str, text: str, attributes: str = '') -> str:
    return f'<{tag}{attributes}>{text}</{tag}>'


# --- reading -------------------------------------------------------------------------------------------------------


def parse(raw: bytes) -> Manifest:
    """Read a manifest, whoever wrote it. Raises ManifestError; never opens another file or the network."""
    image, machine, root = _sections(raw)
    parts = _only(image, 'parts')
    entries = tuple(_part(index, part) for index, part in enumerate(parts))
    if parts.get('count') != str(len(entries)):
        raise ManifestError(f'The manifest declares {str(parts.get("count"))[:20]!r} parts but lists {len(entries)}.')
    kernel_id, ramdisk_id = (_text(machine, tag, optional=True) or None for tag in ('kernel_id', 'ramdisk_id'))
    image_type = _text(image, 'type', optional=True) or 'machine'
    manifest = Manifest(
        name=_text(image, 'name'),
        user=_text(image, 'user').replace('-', ''),
        image_type=image_type,
        architecture=_text(machine, 'architecture'),
        size=_count(image, 'size'),
        bundled_size=_count(image, 'bundled_size'),
        digest=_text(image, 'digest').lower(),
        secrets=Secrets(
            *(_text(image, f'{who}_encrypted_{what}', optional=who == 'user') for who in ('ec2', 'user') for what in ('key', 'iv'))
        ),
        parts=entries,
        kernel_id=None if kernel_id == 'true' else kernel_id,
        ramdisk_id=None if ramdisk_id == 'true' else ramdisk_id,
        block_devices={
            _text(mapping, 'virtual'): _text(mapping, 'device') for mapping in machine.findall('block_device_mapping/mapping')
        },
        signature=_text(root, 'signature', optional=True) or UNSIGNED,
    )
    _check(manifest)
    return manifest


def _sections(raw: bytes) -> tuple[etree._Element, etree._Element, etree._Element]:
    if len(raw) > MAX_BYTES:
        raise ManifestError(f'The manifest has {len(raw)} bytes; at most {MAX_BYTES} are read.')
    if b'<!' in raw:  # no manifest needs a DOCTYPE, and without one there are no entities to expand
        raise ManifestError('The manifest has a DOCTYPE, a comment or a CDATA section. No manifest needs them, so it is not read.')
    # The encoding is fixed, because another (UTF-7, UTF-16) could hide what was just looked for.
    parser = etree.XMLParser(encoding='ascii', resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(raw, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise ManifestError(f'The manifest is not well-formed XML: {error}.') from error
    if root.tag != 'manifest':
        raise ManifestError('This is not a bundle manifest: its root element is not <manifest>.')
    return _only(root, 'image'), _only(root, 'machine_configuration'), root


def _only(parent: etree._Element, tag: str) -> etree._Element:
    found = parent.findall(tag)
    if len(found) != 1:
        raise ManifestError(f'The manifest has {len(found)} elements <{tag}> where one belongs.')
    return found[0]


def _part(index: int, part: etree._Element) -> PartEntry:
    if part.tag != 'part' or part.get('index') != str(index):
        raise ManifestError(f"The manifest's parts are not in order: entry {index} is something else.")
    return PartEntry(_text(part, 'filename'), _text(part, 'digest').lower())


def _text(parent: etree._Element, tag: str, optional: bool = False) -> str:
    if optional and parent.find(tag) is None:
        return ''
    return (_only(parent, tag).text or '').strip()


def _count(parent: etree._Element, tag: str) -> int:
    text = _text(parent, tag)
    if not re.fullmatch(r'[0-9]{1,15}', text):
        raise ManifestError(f'The element <{tag}> of the manifest is not a number of bytes: {text[:40]!r}.')
    return int(text)


def _check(manifest: Manifest) -> None:
    """The same limits for what we write and what we read."""
    _match('user', manifest.user, r'[0-9]{1,20}')
    _match('type', manifest.image_type, '|'.join(IMAGE_TYPES))
    _match('architecture', manifest.architecture, '|'.join(ARCHITECTURES))
    _match('digest', manifest.digest, '[0-9a-f]{40}')
    _match('signature', manifest.signature, '[0-9a-fA-F]{1,4096}|' + UNSIGNED)
    for tag, value in (('kernel_id', manifest.kernel_id), ('ramdisk_id', manifest.ramdisk_id)):
        _match(tag, value or '', '[A-Za-z0-9-]{0,40}')
    check_block_devices(manifest.block_devices)
    secrets = manifest.secrets
    for tag, value in (('ec2_encrypted_key', secrets.cloud_key), ('ec2_encrypted_iv', secrets.cloud_iv)):
        _match(tag, value, '[0-9a-fA-F]{1,4096}')
    for tag, value in (('user_encrypted_key', secrets.user_key), ('user_encrypted_iv', secrets.user_iv)):
        _match(tag, value, '[0-9a-fA-F]{0,4096}')
    if len(manifest.parts) > MAX_PARTS:
        raise ManifestError(f'The manifest lists {len(manifest.parts)} parts; at most {MAX_PARTS} are read.')
    for part in manifest.parts:
        _match('digest', part.digest, '[0-9a-f]{40}')
    for name in (manifest.name, *(part.filename for part in manifest.parts)):
        if not _is_file_name(name):
            raise ManifestError(f'{name[:60]!r} in the manifest is not a plain file name without a path.')
    if len({part.filename for part in manifest.parts}) != len(manifest.parts):
        raise ManifestError('The manifest names one file for several parts.')


def _is_file_name(name: str) -> bool:
    """Whether this is a name inside a folder. euca2ools takes the prefix of the parts from the image's own file name, so
    it may have blanks, "+", a leading dot and, as character references, letters beyond ASCII."""
    return 0 < len(name) <= _FILE_NAME_LENGTH and name.isprintable() and not re.search(r'[/\\]', name) and name not in ('.', '..')


def check_block_devices(devices: dict[str, str]) -> None:
    for virtual, device in devices.items():
        _match('virtual', virtual, '[a-z0-9]{1,20}')
        _match('device', device, '[a-z0-9/]{1,20}')


def _match(tag: str, value: str, pattern: str) -> None:
    if not re.fullmatch(pattern, value):
        raise ManifestError(f'The element <{tag}> of the manifest may not be {value[:60]!r}.')


def verify(raw: bytes, certificate: x509.Certificate) -> bool:
    """Whether this certificate's key has signed the raw text, cut out as Eucalyptus 4.0 cuts it."""
    cuts = []
    for tag in (b'machine_configuration', b'image'):
        start, end = raw.find(b'<' + tag + b'>'), raw.rfind(b'</' + tag + b'>')
        if raw.count(b'<' + tag) != 1:  # otherwise `parse` could read another one than the signed
            return False
        cuts.append(raw[start : end + len(tag) + 3])
    try:
        signature = bytes.fromhex(parse(raw).signature)
        rsa_key(certificate).verify(signature, b''.join(cuts), padding.PKCS1v15(), hashes.SHA1())
    except (InvalidSignature, ManifestError, CertificateError, ValueError):
        return False
    return True


# --- keys ----------------------------------------------------------------------------------------------------------


def wrap_secrets(key: bytes, iv: bytes, cloud: x509.Certificate, user: x509.Certificate | None) -> Secrets:
    """Encrypt key and vector to the cloud and the user: the format has their 32 hex digits, not the 16 bytes.

    The same every time, because a cloud refuses an image whose manifest has other bytes than at its registration: two
    runs at once may both write it. So the padding is derived from what is secret anyway.
    """

    def wrap(what: str, secret: bytes, certificate: x509.Certificate | None) -> str:
        if certificate is None:
            return ''
        message = secret.hex().encode('ascii')
        public = rsa_key(certificate).public_numbers()
        size = (public.n.bit_length() + 7) // 8
        info = f'eucalyptus.cloud padding of {what}'.encode() + certificate.fingerprint(hashes.SHA256())
        # Zeros are left out of it, one byte in 256.
        random = HKDF(hashes.SHA256(), 2 * size, None, info).derive(key + iv).replace(b'\0', b'')
        block = b'\0\2' + random[: size - len(message) - 3] + b'\0' + message  # RFC 8017, 7.2.1
        return pow(int.from_bytes(block, 'big'), public.e, public.n).to_bytes(size, 'big').hex()

    return Secrets(wrap('key', key, cloud), wrap('iv', iv, cloud), wrap('key', key, user), wrap('iv', iv, user))


def unwrap_secrets(secrets: Secrets, private: rsa.RSAPrivateKey) -> tuple[bytes, bytes]:
    """Key and vector, by the user's private key or the cloud's. Raises ManifestError for any other key."""
    for wrapped_key, wrapped_iv in ((secrets.user_key, secrets.user_iv), (secrets.cloud_key, secrets.cloud_iv)):
        key, iv = _unwrap(wrapped_key, private), _unwrap(wrapped_iv, private)
        if key and iv:
            return key, iv
    raise ManifestError('The private key does not open this bundle: it was encrypted to other certificates.')


def _unwrap(wrapped: str, private: rsa.RSAPrivateKey) -> bytes | None:
    try:
        text = private.decrypt(bytes.fromhex(wrapped), padding.PKCS1v15())
        # OpenSSL >= 3.2 answers a wrong key with random bytes instead of an error, so the form is checked too.
        return bytes.fromhex(text.decode('ascii')) if re.fullmatch(b'[0-9a-fA-F]{32}', text) else None
    except (ValueError, UnicodeDecodeError):
        return None
