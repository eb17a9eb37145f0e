// Servers that are broken below the protocol: each answers one request in its own bad way.
import zlib from 'node:zlib';

const GIGABYTE = 1 << 30;
const PIECE = Buffer.alloc(1 << 16, 'a');

export const text = (type, body, status = 200) => (response) => {
  response.writeHead(status, { 'content-type': type });
  response.end(body);
};

export const html = text('text/html', '<!doctype html><h1>Sign in</h1><form><input name="password"></form>');

export const serverError = text('application/json', '{"error":"server_error"}', 500);

/// Never answers; ends with the connection.
export const slow = () => {};

/// Hangs up.
export const down = (response) => response.socket.destroy();

export const redirect = (path, status = 302) => (response, it) => {
  response.writeHead(status, { location: `http://127.0.0.1:${it.settings.port}${path}` });
  response.end();
};

/// A gigabyte that starts as JSON, for as long as the client takes it; `it.sent` counts.
export const huge = (response, it) => {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.write('{"padding":"');
  it.memory.sent = 0;
  const more = () => {
    while (it.memory.sent < GIGABYTE && !response.destroyed) {
      it.memory.sent += PIECE.length;
      if (!response.write(PIECE)) return response.once('drain', more);
    }
    return response.end('"}');
  };
  more();
};

/// 256 MiB of one letter, in a quarter of a megabyte.
export const gzipBomb = (response) => {
  response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' });
  response.end(zlib.gzipSync(Buffer.alloc(256 << 20, 'a')));
};
