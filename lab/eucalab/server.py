# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API process: EC2 and object storage on loopback, and the cluster and storage controllers' work behind them.

``python -m eucalab.server NAME`` runs it in the foreground until SIGTERM.
"""

from __future__ import annotations

import argparse
import asyncio
import http
import inspect
import logging
import re
import signal
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import http_exceptions, web

from .cloud import cluster_controller
from .cloud.context import Cloud
from .cloud.store import Store
from .config import Config, set_umask
from .ec2 import bootstrap
from .ec2.families import load_actions
from .ec2.registry import Reply
from .errors import LabError
from .network import service as network
from .protocol import auth, internal_form
from .protocol.errors import ApiError, S3Error, TransportError, lacking
from .protocol.wire import BindError, Ec2Wire, error_body
from .s3 import bodies, service, signature, xml
from .versions import PLAYED

log = logging.getLogger('eucalab.server')  # not __main__, as which the module runs

MOST_EC2_BYTES = 1 << 20
MOST_LOGGED = 1000  # characters of a line
# Takes the caller, the request's parameters and its id; returns the reply's XML.
Operation = Callable[[auth.Caller, dict[str, str], str], Awaitable[bytes]]


class Server:
    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.actions = load_actions()
        self.requests, self.replies = cloud.played.requests, cloud.played.replies
        self.authentication = auth.Authentication(cloud.store, self.requests)
        self.wire = Ec2Wire(self.requests.model, self.replies.lacks)
        self.query_services: dict[str, Operation] = dict.fromkeys(self.requests.paths, self._ec2)
        if cloud.played.storage.bootstrap_namespace is not None:
            self.query_services[bootstrap.PATH] = self._bootstrap

    async def handle(self, request: web.Request) -> web.StreamResponse:
        path = request.raw_path.partition('?')[0]
        operation = self.query_services.get(path.removesuffix('/'))
        if operation is not None:
            return await self._query(request, path, operation)
        for prefix in self.cloud.played.storage.paths:
            if path == prefix or path.startswith(prefix + '/'):
                return await self._s3(request, prefix, path)
        return _no_pipeline()

    async def _query(self, request: web.Request, path: str, operation: Operation) -> web.Response:
        """A request of the query protocol: authenticate it, run it, turn errors into replies."""
        started, request_id, refusal = time.perf_counter(), str(uuid.uuid4()), ''
        body = await request.read()
        parameters = _parameters(request, body)
        action = parameters.get('Action', '?')
        if any(name not in parameters for name in self.requests.required):
            return _no_pipeline()
        try:
            caller = self.authentication.caller(_http_request(request, path), parameters, body, time.time())
            if self.requests.drops_empty:
                parameters = {name: value for name, value in parameters.items() if value}
            content = await operation(caller, parameters, request_id)
            response = web.Response(body=content, content_type='application/xml', charset='UTF-8')
        except ApiError as error:
            status, code, message = self.cloud.played.errors.reply(action, error.status, error.code, error.message)
            response, refusal = _ec2_error(status, code, message, request_id), f'{code}: {message}'
        except TransportError as error:
            status = self.requests.bind_status if error.status == 400 else error.status
            code = f'{status} {http.HTTPStatus(status).phrase}'
            # The genuine server repeats the message as request id.
            response, refusal = _ec2_error(status, code, error.message, error.message), f'{code}: {error.for_log}'
        except Exception as error:
            # A bug of the lab, or a full disk: reported in the form of Eucalyptus' unexpected errors.
            log.exception('%r', action)
            response = _ec2_error(500, 'InternalError', f'Error processing request: {error}', request_id)
        duration = f'{(time.perf_counter() - started) * 1000:.1f} ms'
        _log_reply(action, response.status, duration, refusal)
        return response

    async def _ec2(self, caller: auth.Caller, parameters: dict[str, str], request_id: str) -> bytes:
        action, version = parameters.pop('Action', ''), parameters.pop('Version')
        if not re.fullmatch(r'\d{4}-\d\d-\d\d', version):
            version = self.requests.newest_api
        if action not in self.actions or action not in self.requests.known:
            if action in self.requests.other_actions:
                raise lacking(f'the action {action}, which Eucalyptus {self.cloud.played.name} has')
            raise _no_message(action, version)
        unknown = self.requests.unknown_parameters(action, list(parameters))
        if unknown:
            raise BindError([(name, parameters[name]) for name in unknown])
        request = self.wire.parse(action, self.requests.canonical(action, parameters))
        reply = await self._run(action, caller, request)
        content = self.wire.serialise(action, version, request_id, reply)
        form = self.replies.internal_form
        return content if form is None or version in form.known_apis else internal_form.rewrite(content, action, form)

    async def _run(self, action: str, caller: auth.Caller, request: dict[str, Any]) -> Reply:
        if action in self.requests.stubs:
            return {}
        try:
            reply = self.actions[action](self.cloud, caller, request)
            return await reply if inspect.isawaitable(reply) else reply
        except ApiError as error:
            if not self.cloud.played.errors.is_only_false(action, error.code):
                raise
            return {'Return': False}

    async def _bootstrap(self, caller: auth.Caller, parameters: dict[str, str], request_id: str) -> bytes:
        action = parameters.pop('Action', '')
        del parameters['Version']
        if action != bootstrap.ACTION:
            raise _no_message(action, 'eucalyptus')
        unknown = bootstrap.unknown_parameters(list(parameters))
        if unknown:
            raise BindError([(name, parameters[name]) for name in unknown])
        return bootstrap.describe_service_certificates(self.cloud, parameters, request_id)

    async def _s3(self, request: web.Request, prefix: str, path: str) -> web.StreamResponse:
        request_id, refusal = str(uuid.uuid4()), ''
        try:
            caller = self._s3_caller(request, prefix, path)
            response = await service.handle(self.cloud, caller, request, path[len(prefix) :])
        except TransportError as error:
            code = f'{error.status} {http.HTTPStatus(error.status).phrase}'
            response, refusal = _ec2_error(error.status, code, error.message, error.message), f'{code}: {error.message}'
        except S3Error as error:
            response, refusal = _s3_error(request, error, request_id), str(error)
        except (ConnectionError, web.HTTPException):
            raise  # the client disconnected, or sent a body over the limit
        except Exception as error:
            log.exception('%s %s', request.method, path)
            response = _s3_error(request, S3Error(500, 'InternalError', str(error)), request_id)
        _log_reply(f'{request.method} {path}', response.status, refusal)
        return response

    def _s3_caller(self, request: web.Request, prefix: str, path: str) -> auth.Caller | None:
        rules = self.cloud.played.storage
        try:
            return signature.authenticate(self.cloud.store, _http_request(request, path), prefix, time.time(), rules)
        except S3Error as error:
            if rules.refusal == 'query':
                raise TransportError(error.status, error.message) from None
            if rules.refusal == 'denied':
                raise S3Error(403, 'AccessDenied', 'Access Denied', Entity=error.message) from None
            raise


def _log_reply(request: str, status: int, *details: str) -> None:
    """One line of the log for each reply, whatever characters the request contains. Signatures are not part of it."""
    line = ' '.join((request, str(status), *filter(None, details)))
    log.info('%s', ''.join(letter if letter.isprintable() else ' ' for letter in line[:MOST_LOGGED]).rstrip())


def _parameters(request: web.Request, body: bytes) -> dict[str, str]:
    """Parameters of the query and of a form's body together, like the genuine server."""
    pairs = _query(request)
    if request.method == 'POST':
        pairs += parse_qsl(body.decode('utf-8', 'replace'), keep_blank_values=True)
    return dict(pairs)


def _query(request: web.Request) -> list[tuple[str, str]]:
    return parse_qsl(request.raw_path.partition('?')[2], keep_blank_values=True)


def _http_request(request: web.Request, path: str) -> auth.HttpRequest:
    return auth.HttpRequest(request.method, path, _query(request), request.headers)


def _no_pipeline() -> web.Response:
    """The reply of NioServerHandler when no pipeline accepts a request."""
    return _ec2_error(404, '404 Not Found', 'unknown', 'unknown')


def _no_message(action: str, version: str) -> TransportError:
    namespace = f'ec2_amazonaws_com_doc_{version.replace("-", "_")}'
    message = f'Failed to find corresponding class mapping for element: {action} in namespace: {namespace}'
    return TransportError(400, message)


def _ec2_error(status: int, code: str, message: str, request_id: str) -> web.Response:
    return web.Response(status=status, body=error_body(code, message, request_id), content_type='application/xml')


def _s3_error(request: web.Request, error: S3Error, request_id: str) -> web.Response:
    headers = {'x-amz-request-id': request_id}
    if request.method == 'HEAD':
        return web.Response(status=error.status, headers=headers)
    body = xml.error(error.code, error.message, request_id, error.extra)
    response = web.Response(status=error.status, body=body, content_type='application/xml', headers=headers)
    if not request.content.at_eof():
        response.force_close()  # do not wait for the body of a refused request
    return response


def make_application(handle: Callable[[web.Request], Awaitable[web.StreamResponse]], server: str) -> web.Application:
    """``server`` is the header of that name in replies; empty for none."""
    application = web.Application(client_max_size=MOST_EC2_BYTES)

    async def name_the_server(_request: web.Request, response: web.StreamResponse) -> None:
        del response.headers['Server']  # aiohttp's own
        if server:
            response.headers['Server'] = server

    application.on_response_prepare.append(name_the_server)
    # An object's key may contain line breaks, which a plain dot does not match.
    application.router.add_route('*', '/{path:(?s:.*)}', handle)
    return application


class _WithoutTraceback(logging.Filter):
    """aiohttp logs a traceback for bytes that are no HTTP request; one line is enough."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], http_exceptions.HttpProcessingError):
            reason = str(record.exc_info[1].message).partition('\n')[0]
            record.msg, record.args, record.exc_info = f'{record.getMessage()}: {reason}', (), None
        return True


async def serve(config: Config) -> None:
    config.make_directories()
    store = Store(config.database)
    cloud = Cloud(config, store, PLAYED[config.play])
    bodies.recover(cloud)
    # Bodies stay as they were sent: an object with Content-Encoding gzip is stored as it is.
    runner = web.AppRunner(
        make_application(Server(cloud).handle, cloud.played.requests.server),
        access_log=None,
        auto_decompress=False,
        max_line_size=128 << 10,
        max_field_size=32 << 10,
        shutdown_timeout=2,
    )
    await runner.setup()
    await web.TCPSite(runner, '127.0.0.1', config.port, reuse_address=True).start()
    log.info('lab %s imitates Eucalyptus %s at %s', config.name, config.play, config.endpoint)
    logging.getLogger('aiohttp.server').addFilter(_WithoutTraceback())
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    background = [asyncio.create_task(cluster_controller.run(cloud))]
    if config.addressing:
        background.append(asyncio.create_task(network.run(cloud, runner)))
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait((*background, stopped), return_when=asyncio.FIRST_COMPLETED)
    await runner.cleanup()
    for task in background:
        if task.done():
            task.result()  # it ends only with an error, which ends the process
        task.cancel()
    await asyncio.gather(*background, return_exceptions=True)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog='eucalab.server', description=__doc__.splitlines()[0])
    parser.add_argument('name', help='name of the lab')
    options = parser.parse_args(arguments)
    set_umask()
    logging.basicConfig(level=logging.INFO, format='%(asctime)s %(name)s %(levelname)s %(message)s')
    try:
        config = Config.load(options.name)
    except FileNotFoundError as error:
        print(f'There is no lab {options.name}: {error.filename} is missing.', file=sys.stderr)
        return 1
    except LabError as problem:
        print(problem, file=sys.stderr)
        return 1
    if config.play not in PLAYED:
        print(f'The lab cannot imitate Eucalyptus {config.play}; it supports {", ".join(PLAYED)}.', file=sys.stderr)
        return 1
    try:
        asyncio.run(serve(config))
    except OSError as error:
        print(f'Lab {options.name} cannot serve on port {config.port}: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
