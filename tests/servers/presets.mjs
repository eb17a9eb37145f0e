// OpenID Providers that do something in their own way, as their documentation shows it, each below
// its name. Whoever comes is signed in at once. Started by hand:
//
//   node presets.mjs '{"port": 9471}'
//
//   POST /admin/claims   {"provider": NAME, "claims": {...}}: over what its ID tokens say; null: not at all
//   POST /admin/graph    {"as": "whole" | "broken" | "elsewhere" | "endless"}: how Microsoft Graph pages
//   GET  /admin/calls    every request: {"provider", "path", "method", "query", "form", "headers"}
//
// Settings: `client_id` and `client_secret`, the same for each; `apple_key`, the PEM of the public key
// that Apple has of the developer.
import './loopback.mjs';
import crypto from 'node:crypto';
import http from 'node:http';
import { importSPKI, jwtVerify } from 'jose';
import { atHash, jws, makeKey } from './minting.mjs';

const settings = { client_id: 'app', client_secret: 'a secret of forty-eight octets, for HS256 as well', ...JSON.parse(process.argv[2]) };
const host = `http://presets.localhost:${settings.port}`;
const MOST = 10_000;
const calls = [];
const codes = new Map();
const told = new Map();
const seen = new Set();
let graph = 'whole';
const now = () => Math.floor(Date.now() / 1000);
const random = () => crypto.randomBytes(24).toString('base64url');
const rs = makeKey('RS256', 'rs-1');
const es = makeKey('ES256', 'es-1');

/// A refusal: what is answered instead.
class No extends Error {
  constructor(status, error) {
    super(error);
    Object.assign(this, { status, body: { error } });
  }
}

const TENANT = '72f988bf-86f1-41af-91ab-2d7cd011db47';
const CONSUMERS = '9188040d-6c67-4c5b-b112-36a304b66dad';

// `claims`: of an ID token, besides those of every one. `by`: how the client shows who it is.
const providers = {
  // https://developers.google.com/identity/openid-connect/openid-connect#an-id-tokens-payload
  google: {
    by: ['basic', 'post'],
    claims: () => ({ azp: settings.client_id, sub: '10769150350006150715113082367', email: 'jsmith@example.com', email_verified: true, hd: 'example.com', name: 'J Smith', picture: 'https://lh3.googleusercontent.com/a/x', given_name: 'J', family_name: 'Smith' }),
  },
  // https://learn.microsoft.com/en-us/linkedin/consumer/integrations/self-serve/sign-in-with-linkedin-v2
  // no PKCE for web applications: https://learn.microsoft.com/en-us/linkedin/shared/authentication/authorization-code-flow
  linkedin: {
    pkce: false,
    by: ['post'],
    claims: () => ({ nonce: undefined, sub: '782bbtaQ', name: 'John Doe', given_name: 'John', family_name: 'Doe', picture: 'https://media.licdn-ei.com/x', locale: 'en-US', email: 'doe@email.com', email_verified: true }),
  },
  // https://developers.line.biz/en/docs/line-login/verify-id-token/
  // https://developers.line.biz/en/reference/line-login/#issue-access-token (id_token_key_type)
  line: {
    by: ['post'],
    sign: (form) => (form.id_token_key_type === 'JWK' ? es : null),
    claims: () => ({ sub: 'U1234567890abcdef1234567890abcdef', amr: ['linesso'], name: 'Taro Line', picture: 'https://profile.line-scdn.net/x', email: 'taro.line@example.com' }),
  },
  // https://developer.apple.com/documentation/signinwithapple/authenticating-users-with-sign-in-with-apple
  // https://developer.apple.com/documentation/accountorganizationaldatasharing/creating-a-client-secret
  // https://developer.apple.com/documentation/signinwithapple/request-an-authorization-to-the-sign-in-with-apple-server
  apple: {
    by: ['minted'],
    userinfo: false,
    formPost: true,
    claims: () => ({ sub: '001999.0e4ad4b1f5d3.1234', nonce_supported: true, email: 'abc@privaterelay.appleid.com', email_verified: 'true', is_private_email: 'true' }),
    back: () => {
      if (seen.has('apple')) return {};
      seen.add('apple');
      return { user: JSON.stringify({ name: { firstName: 'Ada', lastName: 'Lovelace' }, email: 'abc@privaterelay.appleid.com' }) };
    },
  },
  // https://learn.microsoft.com/en-us/entra/identity-platform/id-token-claims-reference
  // https://learn.microsoft.com/en-us/entra/identity-platform/v2-protocols-oidc#fetch-the-openid-configuration-document
  microsoft: {
    by: ['basic', 'post'],
    tenants: true,
    claims: (tenant) => {
      const tid = ['common', 'consumers'].includes(tenant) ? CONSUMERS : tenant;
      return { iss: `${host}/microsoft/${tid}/v2.0`, tid, ver: '2.0', sub: 'AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ', oid: '00000000-0000-0000-66f3-3332eca7ea81', name: 'Abe Lincoln', preferred_username: 'AbeLi@microsoft.com', email: 'AbeLi@microsoft.com' };
    },
  },
  // https://docs.criipto.com/verify/getting-started/acr-values/ and /verify/getting-started/token-contents/
  idura: {
    by: ['basic', 'post'],
    userinfo: false,
    claims: (_, asked) => ({ authenticationtype: asked.acr_values?.split(' ')[0], sub: '{6f2b9c0d-1111-2222-3333-444455556666}', identityscheme: 'nobankid-oidc', name: 'Ola Nordmann' }),
  },
};

/// Where an issuer is: a provider, and for Microsoft a tenant of it.
function place(path) {
  const [, name, ...rest] = path.split('/');
  const provider = providers[name];
  if (!provider) throw new No(404, 'not_found');
  const tenant = provider.tenants ? rest.shift() : '';
  const issuer = `${host}/${name}${tenant ? `/${tenant}/v2.0` : ''}`;
  const page = rest.filter((part) => part !== 'v2.0').join('/');
  return { name, provider, tenant, issuer, page };
}

function discover({ name, provider, tenant, issuer }) {
  return {
    // no tenant of its own: a template; personal accounts are all of one
    issuer: { common: `${host}/${name}/{tenantid}/v2.0`, consumers: `${host}/${name}/${CONSUMERS}/v2.0` }[tenant] ?? issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    jwks_uri: `${issuer}/keys`,
    ...(provider.userinfo === false ? {} : { userinfo_endpoint: `${issuer}/userinfo` }),
    response_types_supported: ['code'],
    response_modes_supported: ['query', 'form_post'],
    subject_types_supported: ['pairwise'],
    id_token_signing_alg_values_supported: ['RS256', 'ES256'],
    token_endpoint_auth_methods_supported: provider.by.map((way) => ({ basic: 'client_secret_basic', post: 'client_secret_post', minted: 'client_secret_post' })[way]),
    scopes_supported: ['openid', 'profile', 'email', 'name'],
    code_challenge_methods_supported: ['S256'],
  };
}

function authorize({ name, provider, query }) {
  if (query.client_id !== settings.client_id) throw new No(400, 'unauthorized_client');
  if (provider.formPost && query.response_mode !== 'form_post') throw new No(400, 'response_mode must be form_post when name or email scope is requested.');
  const code = random();
  if (codes.size < MOST) codes.set(code, { ...query, name });
  const answer = { code, state: query.state, ...provider.back?.() };
  if (!provider.formPost) {
    const back = new URL(query.redirect_uri);
    for (const [key, value] of Object.entries(answer)) back.searchParams.set(key, value);
    return { status: 303, headers: { location: back.href }, text: '' };
  }
  const escape = (value) => value.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
  const fields = Object.entries(answer).map(([key, value]) => `<input type="hidden" name="${key}" value="${escape(value)}">`);
  return {
    status: 200,
    headers: { 'content-type': 'text/html' },
    text: `<form method="post" action="${escape(query.redirect_uri)}">${fields.join('')}<button>Continue</button></form><script>document.forms[0].submit()</script>`,
  };
}

/// Apple's client secret: who made it, for whom, and not for longer than half a year.
async function checkMinted(form) {
  const key = await importSPKI(settings.apple_key, 'ES256');
  const read = jwtVerify(form.client_secret ?? '', key, {
    algorithms: ['ES256'],
    issuer: 'TEAM123456',
    subject: settings.client_id,
    audience: 'https://appleid.apple.com',
    requiredClaims: ['iat', 'exp'],
    maxTokenAge: '10m',
  });
  const { payload, protectedHeader } = await read.catch(() => { throw new No(400, 'invalid_client'); });
  if (protectedHeader.kid !== 'KEY1234567' || payload.exp - payload.iat > 15_777_000) throw new No(400, 'invalid_client');
}

async function checkClient({ provider, form, headers }) {
  const basic = `Basic ${Buffer.from([settings.client_id, settings.client_secret].map((part) => encodeURIComponent(part).replaceAll('%20', '+')).join(':')).toString('base64')}`;
  const way = headers.authorization ? 'basic' : 'post';
  if (provider.by.includes('minted')) return form.client_id === settings.client_id ? checkMinted(form) : Promise.reject(new No(400, 'invalid_client'));
  const right = way === 'basic' ? headers.authorization === basic : form.client_id === settings.client_id && form.client_secret === settings.client_secret;
  if (!right || !provider.by.includes(way)) throw new No(401, 'invalid_client');
  return undefined;
}

async function token(call) {
  const { name, provider, tenant, issuer, form } = call;
  await checkClient(call);
  const asked = codes.get(form.code);
  codes.delete(form.code);
  // whoever sends it is taken for another client
  if (provider.pkce === false && form.code_verifier) throw new No(401, 'invalid_client');
  const challenge = crypto.createHash('sha256').update(form.code_verifier ?? '').digest('base64url');
  if (asked?.name !== name || asked.redirect_uri !== form.redirect_uri || (provider.pkce !== false && asked.code_challenge !== challenge)) throw new No(400, 'invalid_grant');
  const accessToken = `${name}.${random()}`;
  const claims = { iss: issuer, aud: settings.client_id, iat: now(), exp: now() + 3600, nonce: asked.nonce, at_hash: atHash(accessToken), ...provider.claims(tenant, asked), ...told.get(name) };
  for (const [key, value] of Object.entries(claims)) if (value === null) delete claims[key];
  const key = provider.sign ? provider.sign(form) : rs;
  const header = key ? { alg: key.alg, kid: key.kid } : { alg: 'HS256' };
  const idToken = jws({ ...header, typ: 'JWT' }, JSON.stringify(claims), key?.privateKey ?? settings.client_secret);
  return { access_token: accessToken, token_type: 'Bearer', expires_in: 3599, id_token: idToken };
}

function userinfo({ name, tenant, provider, headers }) {
  if (!headers.authorization?.startsWith(`Bearer ${name}.`)) throw new No(401, 'invalid_token');
  const { sub, name: full, picture } = provider.claims(tenant, {});
  return { sub, name: full, picture };
}

/// Groups, two by two (https://learn.microsoft.com/en-us/graph/api/user-list-transitivememberof and
/// https://learn.microsoft.com/en-us/graph/paging).
function graphPage(url, headers) {
  if (!headers.authorization?.startsWith('Bearer microsoft.')) throw new No(401, 'InvalidAuthenticationToken');
  const second = url.searchParams.has('$skiptoken');
  if (graph === 'broken' && second) throw new No(503, 'serviceNotAvailable');
  const path = graph === 'elsewhere' ? url.pathname.replace('/graph/', '/elsewhere/') : url.pathname;
  const next = new URL(path + url.search, host);
  next.searchParams.set('$skiptoken', random());
  const last = second && graph !== 'endless';
  return { '@odata.context': 'x', ...(last ? {} : { '@odata.nextLink': next.href }), value: (second ? ['c', 'd'] : ['a', 'b']).map((id) => ({ '@odata.type': '#microsoft.graph.group', id: `group-${id}` })) };
}

function administer(path, what) {
  switch (path) {
    case '/admin/claims':
      told.set(what.provider, what.claims);
      return {};
    case '/admin/graph':
      graph = what.as;
      return {};
    case '/admin/calls':
      return calls;
    default:
      throw new No(404, 'not_found');
  }
}

async function answer(request) {
  const url = new URL(request.url, host);
  let body = '';
  for await (const piece of request) {
    body += piece;
    if (body.length > 1 << 20) throw new No(413, 'too_large');
  }
  if (url.pathname.startsWith('/admin/')) return administer(url.pathname, body ? JSON.parse(body) : {});
  const call = { path: url.pathname, method: request.method, headers: request.headers, query: Object.fromEntries(url.searchParams), form: Object.fromEntries(new URLSearchParams(body)) };
  const [, first] = url.pathname.split('/');
  if (calls.length < MOST) calls.push({ provider: first, ...call });
  if (first === 'graph' || first === 'elsewhere') return graphPage(url, request.headers);
  const at = place(url.pathname);
  switch (at.page) {
    case '.well-known/openid-configuration':
      return discover(at);
    case 'authorize':
      return authorize({ ...at, ...call });
    case 'token':
      return token({ ...at, ...call });
    case 'keys':
      return { keys: [rs.jwk, es.jwk] };
    case 'userinfo':
      return userinfo({ ...at, ...call });
    default:
      throw new No(404, 'not_found');
  }
}

const send = (response, status, headers, text) => response.writeHead(status, headers).end(text);
const json = { 'content-type': 'application/json' };

http.createServer(async (request, response) => {
  try {
    const made = await answer(request);
    if (made.headers) send(response, made.status, made.headers, made.text);
    else send(response, 200, json, JSON.stringify(made));
  } catch (error) {
    if (!(error instanceof No)) console.error(request.method, request.url, error);
    send(response, error.status ?? 500, json, JSON.stringify(error.body ?? {}));
  }
}).listen(settings.port, '127.0.0.1', () => console.log('ready'));
