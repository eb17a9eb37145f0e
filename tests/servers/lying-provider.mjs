// An OpenID Provider that does one thing wrong, and everything else right: what, says lies.mjs. It
// asks nobody to sign in: whoever comes is `alice`, or who `login_hint` names. Started by hand:
//
//   node lying-provider.mjs '{"port": 9401}'
//
// Every path below the host is an issuer of its own, http://liar.localhost:PORT/NAME. One with the
// name of a switch has that switch on; any other is honest until a test says otherwise:
//
//   GET  /admin/lies     every switch, with its row and what is demanded
//   POST /admin/lie      {"issuer": NAME, "lies": [...]}: what it does from now on
//   POST /admin/claims   {"issuer": NAME, "claims": {...}}: what it says of whoever signs in
//   POST /admin/rotate   {"issuer": NAME, "names": GENERATION}: new keys in the place of the old ones,
//                        named as those of that generation (the first is "1") or by new names
//   POST /admin/mint     {"issuer", "lies", "kind": "logout" | "id", "claims"}: a token
//   GET  /admin/calls    every request: {"issuer", "endpoint", "method", "query", "form", "scheme"}.
//                        `endpoint` is "canary" where no honest client has a reason to go
//   POST /admin/forget   forgets those calls
//   GET  /admin/memory   what a switch has counted, by issuer
//
// Settings: `client_secret` and `client_id`, which every issuer takes; `access_token_ttl` in
// seconds; `client_jwks`, where the client has its keys, with NAME for the issuer.
import './loopback.mjs';
import crypto from 'node:crypto';
import http from 'node:http';
import { CompactEncrypt, importJWK } from 'jose';
import { lies } from './lies.mjs';
import { atHash, jws, makeKey } from './minting.mjs';

const settings = {
  client_id: 'app',
  client_secret: 'a secret of forty-eight octets, for HS256 as well',
  access_token_ttl: 600,
  ...JSON.parse(process.argv[2]),
};
const host = `http://liar.localhost:${settings.port}`;
const MOST = 100_000;
const calls = [];
const codes = new Map();
const grants = new Map();
const issuers = new Map();
const now = () => Math.floor(Date.now() / 1000);
const random = () => crypto.randomBytes(24).toString('base64url');

// made once, since making RSA keys takes long; an issuer that rotates gets others
const shared = makeKeys('1');

function makeKeys(generation) {
  return {
    rs: makeKey('RS256', `rs-${generation}`),
    es: makeKey('ES256', `es-${generation}`),
    es384: makeKey('ES384', `es384-${generation}`),
  };
}

/// What is known of one issuer: its keys, what it does wrong and what it says of people.
function issuerOf(name) {
  if (!issuers.has(name) && issuers.size < MOST) {
    issuers.set(name, { name, keys: shared, lies: lies.has(name) ? [name] : [], claims: {}, memory: {} });
  }
  return issuers.get(name);
}

/// The context that every hook is given.
function context(issuer, more = {}) {
  const { keys, memory } = issuer;
  return {
    issuer: `${host}/${issuer.name}`,
    base: host,
    keys,
    key: keys.rs,
    memory,
    settings,
    rotate: () => { issuer.keys = makeKeys(random()); Object.assign(issuer.context, { keys: issuer.keys, key: issuer.keys.rs }); },
    ...more,
  };
}

/// The switches of an issuer that apply to this call.
function switches(issuer, refreshing = false) {
  return issuer.lies.map((name) => lies.get(name)).filter((lie) => !lie.refresh || refreshing);
}

/// Lets every switch have its hook on a value that is changed in place.
function twist(on, hook, value, it) {
  for (const lie of on) lie[hook]?.(value, it);
  return value;
}

const last = (on, hook, otherwise) => on.map((lie) => lie[hook]).findLast(Boolean) ?? otherwise;

/// Signs claims, as the switches will have it.
function mint(on, claims, it, typ, how = 'sign') {
  const header = twist(on, 'header', { alg: 'RS256', kid: it.key.kid, typ }, it);
  const payload = on.reduce((text, lie) => lie.payload?.(text, it) ?? text, JSON.stringify(claims));
  const sign = last(on, how, (h, t) => jws(h, t, it.key.privateKey));
  return on.reduce((token, lie) => lie.compact?.(token, it) ?? token, sign(header, payload, it));
}

/// Encrypts for the client's own key, as it publishes it.
async function encrypt(on, token, it) {
  const { keys } = await (await fetch(settings.client_jwks.replace('NAME', it.name))).json();
  const jwk = keys.find((key) => key.use === 'enc' && key.kty === 'RSA') ?? keys.find((key) => key.use === 'enc');
  it.client = { kid: jwk.kid, key: crypto.createPublicKey({ key: jwk, format: 'jwk' }) };
  const made = last(on, 'encrypt');
  if (made) return made(token, it);
  const head = { alg: jwk.alg ?? 'RSA-OAEP-256', enc: 'A256GCM', kid: jwk.kid, cty: 'JWT' };
  return new CompactEncrypt(Buffer.from(token)).setProtectedHeader(head).encrypt(await importJWK(jwk, head.alg));
}

function profileOf(issuer, sub) {
  return {
    sub,
    email: `${sub}@example.org`,
    email_verified: true,
    name: `User ${sub}`,
    preferred_username: sub,
    groups: ['staff'],
    ...issuer.claims,
  };
}

function json(response, value, status = 200) {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(typeof value === 'string' ? value : JSON.stringify(value));
}

/// `.well-known/openid-configuration` (OpenID Connect Discovery, section 4.2).
function discover({ issuer, on, it, response }) {
  const at = `${host}/${issuer.name}`;
  it.document = twist(on, 'discovery', {
    issuer: at,
    authorization_endpoint: `${at}/auth`,
    token_endpoint: `${at}/token`,
    userinfo_endpoint: `${at}/userinfo`,
    jwks_uri: `${at}/jwks`,
    end_session_endpoint: `${at}/end`,
    pushed_authorization_request_endpoint: `${at}/par`,
    response_types_supported: ['code'],
    response_modes_supported: ['query', 'form_post'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256', 'ES256'],
    id_token_encryption_alg_values_supported: ['RSA-OAEP-256', 'ECDH-ES'],
    id_token_encryption_enc_values_supported: ['A256GCM'],
    userinfo_signing_alg_values_supported: ['RS256'],
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
    code_challenge_methods_supported: ['S256'],
    scopes_supported: ['openid', 'profile', 'email', 'groups', 'offline_access'],
    authorization_response_iss_parameter_supported: true,
    backchannel_logout_supported: true,
    backchannel_logout_session_supported: true,
  }, it);
  const broken = on.find((lie) => lie.http?.discovery);
  return broken ? broken.http.discovery(response, it) : json(response, it.document);
}

function keySet({ on, it, response }) {
  json(response, { keys: twist(on, 'jwks', [it.keys.rs.jwk, it.keys.es.jwk], it) });
}

/// Sends the browser back at once (OpenID Connect Core, section 3.1.2.5).
function authorize({ issuer, on, it, response, parameters }) {
  const pushed = codes.get(parameters.request_uri);
  const asked = pushed ? { ...pushed, ...parameters } : parameters;
  const code = random();
  if (codes.size < MOST) codes.set(code, { ...asked, issuer: issuer.name });
  const answer = twist(on, 'answer', { code, state: asked.state, iss: `${host}/${issuer.name}` }, it);
  const pairs = Object.entries(answer).flatMap(([name, value]) => [value].flat().map((one) => [name, one ?? '']));
  const formPost = (asked.response_mode === 'form_post') !== on.some((lie) => lie.mode === 'other');
  if (formPost) {
    const escape = (value) => value.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
    const fields = pairs.map(([name, value]) => `<input type="hidden" name="${name}" value="${escape(value)}">`);
    response.setHeader('content-type', 'text/html');
    return response.end(`<form method="post" action="${escape(asked.redirect_uri)}">${fields.join('')}</form>
      <script>document.forms[0].submit()</script>`);
  }
  const back = new URL(asked.redirect_uri);
  for (const [name, value] of pairs) back.searchParams.append(name, value);
  response.writeHead(303, { location: back.href });
  return response.end();
}

/// Whether the client is who it says: a secret, or an assertion, which is kept for the test to read.
function knowsClient(request, form) {
  if (form.client_assertion) return true;
  const basic = request.headers.authorization?.match(/^Basic (.+)$/)?.[1];
  const [id, secret] = basic
    ? Buffer.from(basic, 'base64').toString().split(':').map((part) => decodeURIComponent(part.replaceAll('+', ' ')))
    : [form.client_id, form.client_secret];
  return id === settings.client_id && secret === settings.client_secret;
}

/// What a grant is for: the request behind a code (RFC 6749, section 4.1.3; RFC 7636, section 4.6)
/// or a refresh token; each is good once.
function redeem(form, issuer) {
  const [kept, key] = form.grant_type === 'refresh_token' ? [grants, form.refresh_token] : [codes, form.code];
  const asked = kept.get(key);
  kept.delete(key);
  if (!asked || asked.issuer !== issuer.name) return null;
  if (form.grant_type === 'refresh_token') return { ...asked, nonce: undefined };
  const challenge = crypto.createHash('sha256').update(form.code_verifier ?? '').digest('base64url');
  return challenge === asked.code_challenge && form.redirect_uri === asked.redirect_uri ? asked : null;
}

async function token({ issuer, request, form, response }) {
  const refreshing = form.grant_type === 'refresh_token';
  const on = switches(issuer, refreshing);
  const it = context(issuer, { name: issuer.name });
  issuer.context = it;
  const broken = on.find((lie) => lie.http?.token);
  if (broken) return broken.http.token(response, it);
  if (!knowsClient(request, form)) return json(response, { error: 'invalid_client' }, 401);
  const asked = redeem(form, issuer);
  if (!asked) return json(response, { error: 'invalid_grant' }, 400);
  const sub = asked.login_hint || 'alice';
  const accessToken = random();
  const refreshToken = random();
  if (grants.size < MOST) {
    grants.set(refreshToken, asked);
    grants.set(accessToken, { ...asked, issuer: issuer.name, sub });
  }
  const claims = twist(on, 'claims', {
    ...profileOf(issuer, sub),
    iss: `${host}/${issuer.name}`,
    aud: settings.client_id,
    iat: now(),
    exp: now() + 600,
    auth_time: asked.auth_time ?? now(),
    nonce: asked.nonce,
    sid: asked.code_challenge.slice(0, 20),
    at_hash: atHash(accessToken),
  }, it);
  let idToken = mint(on, claims, it, 'JWT');
  if (on.some((lie) => lie.needs === 'encryption')) idToken = await encrypt(on, idToken, it);
  const answer = twist(on, 'tokens', {
    access_token: accessToken,
    token_type: 'Bearer',
    expires_in: settings.access_token_ttl,
    refresh_token: refreshToken,
    id_token: idToken,
  }, it);
  return json(response, repeated(answer, 'access_token'));
}

/// JSON in which a member is said twice, where a switch has asked for that.
function repeated({ duplicate, ...value }, name) {
  const text = JSON.stringify(value);
  return duplicate ? text.replace('{', `{"${name}":"admin",`) : text;
}

/// What the bearer of an access token may know (OpenID Connect Core, section 5.3).
function userinfo({ issuer, on, it, request, response }) {
  const asked = grants.get(request.headers.authorization?.match(/^Bearer (.+)$/)?.[1]);
  if (!asked || asked.issuer !== issuer.name) return json(response, { error: 'invalid_token' }, 401);
  const signed = on.some((lie) => lie.needs === 'signed-userinfo');
  const claims = profileOf(issuer, asked.sub);
  if (signed) Object.assign(claims, { iss: `${host}/${issuer.name}`, aud: settings.client_id });
  twist(on, 'userinfo', claims, it);
  if (!signed) return json(response, repeated(claims, 'sub'));
  response.setHeader('content-type', 'application/jwt');
  return response.end(last(on, 'signUserinfo', (h, t) => jws(h, t, it.key.privateKey))(
    { alg: 'RS256', kid: it.key.kid }, JSON.stringify(claims), it,
  ));
}

function push({ issuer, request, form, response }) {
  if (!knowsClient(request, form)) return json(response, { error: 'invalid_client' }, 401);
  const uri = `urn:ietf:params:oauth:request_uri:${random()}`;
  if (codes.size < MOST) codes.set(uri, { ...form, issuer: issuer.name });
  return json(response, { request_uri: uri, expires_in: 60 }, 201);
}

/// RP-initiated logout: back to where the client said, with what it said (section 3 of that
/// specification).
function end({ response, parameters }) {
  if (!parameters.post_logout_redirect_uri) return json(response, {});
  const back = new URL(parameters.post_logout_redirect_uri);
  if (parameters.state) back.searchParams.set('state', parameters.state);
  response.writeHead(303, { location: back.href });
  return response.end();
}

const endpoints = {
  '.well-known/openid-configuration': ['discovery', discover],
  auth: ['auth', authorize],
  end: ['end', end],
  jwks: ['jwks', keySet],
  par: ['par', push],
  token: ['token', token],
  userinfo: ['userinfo', userinfo],
};

function mintFor(told) {
  const issuer = issuerOf(told.issuer);
  const on = (told.lies ?? []).map((name) => lies.get(name));
  const it = context(issuer);
  const claims = { iss: it.issuer, aud: settings.client_id, iat: now(), exp: now() + 120 };
  if (told.kind === 'logout') {
    Object.assign(claims, { jti: random(), events: { 'http://schemas.openid.net/event/backchannel-logout': {} } });
  }
  Object.assign(claims, told.claims);
  return { token: mint(on, twist(on, 'claims', claims, it), it, told.kind === 'logout' ? 'logout+jwt' : 'JWT') };
}

function administer(path, told) {
  switch (path) {
    case '/admin/lies':
      return [...lies.values()].map((lie) => Object.fromEntries(Object.entries(lie).filter(([, value]) => ['string', 'number', 'boolean'].includes(typeof value))));
    case '/admin/lie':
      for (const name of told.lies) if (!lies.has(name)) throw new Error(`no such lie: ${name}`);
      issuerOf(told.issuer).lies = told.lies;
      return {};
    case '/admin/claims':
      issuerOf(told.issuer).claims = told.claims;
      return {};
    case '/admin/rotate':
      issuerOf(told.issuer).keys = makeKeys(told.names ?? random());
      return {};
    case '/admin/mint':
      return mintFor(told);
    case '/admin/calls':
      return calls;
    case '/admin/forget':
      calls.length = 0;
      return {};
    case '/admin/memory':
      return Object.fromEntries([...issuers].map(([name, issuer]) => [name, issuer.memory]));
    default:
      throw new Error(`no such thing: ${path}`);
  }
}

async function read(request) {
  let body = '';
  for await (const piece of request) {
    body += piece;
    if (body.length > 1 << 20) throw new Error('a request of more than 1 MiB');
  }
  return body;
}

async function serve(request, response) {
  const url = new URL(request.url, host);
  const body = await read(request);
  if (url.pathname.startsWith('/admin/')) {
    return json(response, administer(url.pathname, body ? JSON.parse(body) : {}));
  }
  const [, name, ...rest] = url.pathname.split('/');
  const [endpoint, answer] = (name !== 'canary' && endpoints[rest.join('/')]) || ['canary', (call) => json(call.response, {})];
  const query = Object.fromEntries(url.searchParams);
  const form = Object.fromEntries(new URLSearchParams(body));
  const scheme = request.headers.authorization?.split(' ')[0] ?? null;
  if (calls.length < MOST) calls.push({ issuer: name, endpoint, method: request.method, query, form, scheme, path: url.pathname });
  if (endpoint === 'canary') return answer({ response });
  const issuer = issuerOf(name);
  const on = switches(issuer);
  const it = context(issuer, { name });
  const broken = endpoint !== 'discovery' && endpoint !== 'token' && on.find((lie) => lie.http?.[endpoint]);
  if (broken) return broken.http[endpoint](response, it);
  return answer({ issuer, on, it, request, response, form, parameters: { ...query, ...form } });
}

http.createServer((request, response) => serve(request, response).catch((error) => {
  console.error(request.method, request.url, error);
  if (!response.headersSent) response.statusCode = 500;
  response.end();
})).listen(settings.port, '127.0.0.1', () => console.log('ready'));
