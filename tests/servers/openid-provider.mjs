// The certified OpenID Provider `oidc-provider`, with every feature switched on that a relying party
// can meet. It listens on loopback only. Started by hand:
//
//   node openid-provider.mjs '{"port": 9400, "clients": [{"client_id": "app", ...}]}'
//
// Settings, in one JSON object as the first argument:
//
//   port       where it listens; the issuer is http://idp.localhost:PORT
//   clients    client metadata as in OpenID Connect Registration, plus what oidc-provider knows
//   accounts   {"alice": {"email": ..., "groups": [...]}}: claims over those that everybody has. Any
//              login name works; `disabled: true` makes the account go away, also at a refresh
//   acr        the values of `acr` that it knows; what a login reaches is typed into its page
//   claims_in_id_token   put the claims of the scopes into the ID token as well
//   access_token_ttl     in seconds
//   dpop_nonce           demand a nonce in DPoP proofs (RFC 9449, section 8)
//   require_par          refuse authorization requests that were not pushed (RFC 9126, section 5)
//   tls        {"port", "key", "cert", "ca"}: the same over TLS, asking for client certificates
//              (RFC 8705); announced as mtls_endpoint_aliases
//
// For the tests there is, beside what OpenID Connect defines:
//
//   POST /admin/rotate    signs with new keys from now on; {"keep": false} forgets the old ones
//   POST /admin/account   {"id", "claims"}: changes what an account says
//   GET  /admin/calls     every request it got: method, path, parameters, authorization scheme
//   GET  /admin/events    what became of its back-channel logouts
import './loopback.mjs';
import { X509Certificate, randomBytes } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import { exportJWK, generateKeyPair } from 'jose';
import { Provider, errors, interactionPolicy } from 'oidc-provider';
import MemoryAdapter from 'oidc-provider/lib/adapters/memory_adapter.js';
import LRU from 'oidc-provider/lib/helpers/lru.js';

const settings = JSON.parse(process.argv[2]);
const issuer = `http://idp.localhost:${settings.port}`;
const accounts = new Map(Object.entries(settings.accounts ?? {}));
const calls = [];
const events = [];
// its own default forgets the oldest of a thousand records, which 200 logins at once pass
const store = new LRU({ maxSize: 100_000 });

/// The claims that everybody has, under those of the settings.
function claimsOf(id) {
  return {
    sub: id,
    email: `${id}@example.org`,
    email_verified: true,
    name: `User ${id}`,
    given_name: 'User',
    family_name: id,
    preferred_username: id,
    locale: 'en',
    groups: ['staff', `team-${id}`],
    ...accounts.get(id),
  };
}

async function makeKeys(generation) {
  const make = async (alg, use) => {
    const { privateKey } = await generateKeyPair(alg, { extractable: true });
    return { ...(await exportJWK(privateKey)), alg, use, kid: `${alg}-${generation}` };
  };
  return Promise.all([
    ...['RS256', 'PS256', 'ES256', 'Ed25519'].map((alg) => make(alg, 'sig')),
    ...['RSA-OAEP-256', 'ECDH-ES'].map((alg) => make(alg, 'enc')),
  ]);
}

/// What a client certificate must say (RFC 8705, section 2.1.2).
function subjectMatches(ctx, property, expected) {
  const certificate = ctx.req.socket.getPeerX509Certificate();
  switch (property) {
    case 'tls_client_auth_subject_dn':
      return certificate.subject.split('\n').reverse().join(',') === expected;
    case 'tls_client_auth_san_dns':
      return certificate.checkHost(expected) !== undefined;
    default:
      throw new errors.CustomOIDCProviderError('unsupported', property);
  }
}

function features() {
  return {
    devInteractions: { enabled: false },
    backchannelLogout: { enabled: true },
    claimsParameter: { enabled: true },
    clientCredentials: { enabled: true },
    dPoP: {
      enabled: true,
      nonceSecret: randomBytes(32),
      requireNonce: () => settings.dpop_nonce ?? false,
    },
    encryption: { enabled: true },
    introspection: { enabled: true },
    jwtResponseModes: { enabled: true },
    jwtUserinfo: { enabled: true },
    mTLS: {
      enabled: true,
      certificateBoundAccessTokens: true,
      selfSignedTlsClientAuth: true,
      tlsClientAuth: true,
      getCertificate: (ctx) => ctx.req.socket.getPeerX509Certificate?.()?.toString(),
      certificateAuthorized: (ctx) => ctx.req.socket.authorized,
      certificateSubjectMatches: subjectMatches,
    },
    pushedAuthorizationRequests: {
      enabled: true,
      requirePushedAuthorizationRequests: settings.require_par ?? false,
    },
    requestObjects: { enabled: true },
    revocation: { enabled: true },
    rpInitiatedLogout: { enabled: true },
  };
}

/// Endpoints that ask for a client certificate (RFC 8705, section 5).
function aliases() {
  if (!settings.tls) return {};
  const base = `https://idp.localhost:${settings.tls.port}`;
  return {
    mtls_endpoint_aliases: {
      token_endpoint: `${base}/token`,
      userinfo_endpoint: `${base}/me`,
      revocation_endpoint: `${base}/token/revocation`,
      pushed_authorization_request_endpoint: `${base}/request`,
    },
  };
}

/// Its own policy, and a login again where the one before does not reach what `acr_values` asks for
/// (RFC 9470, section 5).
function policy() {
  const known = interactionPolicy.base();
  known.get('login').checks.add(new interactionPolicy.Check('acr_values', 'a higher context is asked for', ({ oidc }) => {
    const wanted = oidc.params.acr_values?.split(' ');
    return Boolean(wanted) && !wanted.includes(oidc.acr) && !oidc.result?.login;
  }));
  return known;
}

function configuration(keys) {
  return {
    adapter: (model) => new MemoryAdapter(model, store, 5),
    jwks: { keys },
    clients: settings.clients,
    acrValues: settings.acr ?? ['low', 'substantial', 'high'],
    scopes: ['openid', 'offline_access', 'profile', 'email', 'groups'],
    claims: {
      openid: ['sub', 'acr', 'amr', 'auth_time', 'sid'],
      email: ['email', 'email_verified'],
      profile: ['name', 'given_name', 'family_name', 'preferred_username', 'locale'],
      groups: ['groups'],
    },
    conformIdTokenClaims: !(settings.claims_in_id_token ?? false),
    clientAuthMethods: [
      'none', 'client_secret_basic', 'client_secret_post', 'client_secret_jwt', 'private_key_jwt',
      'tls_client_auth', 'self_signed_tls_client_auth',
    ],
    enabledJWA: {
      clientAuthSigningAlgValues: ['HS256', 'RS256', 'PS256', 'ES256', 'Ed25519', 'EdDSA'],
      requestObjectSigningAlgValues: ['RS256', 'PS256', 'ES256', 'Ed25519', 'EdDSA'],
      idTokenSigningAlgValues: ['HS256', 'RS256', 'PS256', 'ES256', 'Ed25519', 'EdDSA'],
      userinfoSigningAlgValues: ['RS256', 'PS256', 'ES256', 'Ed25519', 'EdDSA'],
      idTokenEncryptionAlgValues: ['RSA-OAEP-256', 'ECDH-ES', 'ECDH-ES+A256KW'],
      userinfoEncryptionAlgValues: ['RSA-OAEP-256', 'ECDH-ES', 'ECDH-ES+A256KW'],
      idTokenEncryptionEncValues: ['A128GCM', 'A256GCM', 'A128CBC-HS256', 'A256CBC-HS512'],
      userinfoEncryptionEncValues: ['A128GCM', 'A256GCM', 'A128CBC-HS256', 'A256CBC-HS512'],
    },
    pkce: { required: () => true },
    features: features(),
    discovery: aliases(),
    findAccount: (_ctx, id) => {
      const { disabled, ...claims } = claimsOf(id);
      return disabled ? undefined : { accountId: id, claims: async () => claims };
    },
    interactions: { policy: policy(), url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    loadExistingGrant: grantEverything,
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: true,
    expiresWithSession: async () => false,
    clockTolerance: 5,
    cookies: { keys: [randomBytes(16).toString('hex')] },
    ttl: {
      AccessToken: settings.access_token_ttl ?? 600,
      AuthorizationCode: 60,
      ClientCredentials: 600,
      Grant: 86_400,
      IdToken: 600,
      Interaction: 600,
      RefreshToken: 86_400,
      Session: 3_600,
    },
    // clients of these tests live on loopback, where its own guard against SSRF lets nothing go
    fetch: (url, { dispatcher, ...options } = {}) => globalThis.fetch(url, options),
  };
}

/// Nobody here is asked for consent, except where the request says `prompt=consent`.
async function grantEverything(ctx) {
  const { client, session, result, params } = ctx.oidc;
  const known = result?.consent?.grantId ?? session.grantIdFor(client.clientId);
  const grant = known
    ? await provider.Grant.find(known)
    : new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
  grant.addOIDCScope(params.scope);
  grant.addOIDCClaims(Object.keys(claimsOf(session.accountId)));
  await grant.save();
  return grant;
}

const escape = (text) => String(text ?? '').replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

const page = (action, fields) => `<!doctype html><meta charset="utf-8"><title>Identity provider</title>
  <h1>Sign in at the provider</h1>
  <form method="post" action="${action}">${fields}<button>Continue</button></form>
  <a href="${action}?abort=yes">Abort</a>`;

const loginFields = (params) => `
  <label>Login <input name="login" value="${escape(params.login_hint)}"></label>
  <input name="acr" value="${escape(params.acr_values?.split(' ')[0])}"><input name="amr" value="pwd">`;

/// The pages of a login: a form that takes any name and what the login is to reach, and where the
/// request wants it, one that asks for consent.
async function interact(request, response, url) {
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  const finish = (result) => provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
  if (url.searchParams.has('abort')) return finish({ error: 'access_denied' });
  const login = prompt.name === 'login';
  if (request.method !== 'POST') {
    response.setHeader('content-type', 'text/html');
    return response.end(page(url.pathname, login ? loginFields(params) : '<input name="consent" value="yes">'));
  }
  const form = new URLSearchParams(request.body);
  if (login) {
    const amr = form.get('amr').split(' ').filter(Boolean);
    return finish({ login: { accountId: form.get('login'), acr: form.get('acr') || undefined, amr } });
  }
  const grant = new provider.Grant({ clientId: params.client_id, accountId: session.accountId });
  grant.addOIDCScope(params.scope);
  return finish({ consent: { grantId: await grant.save() } });
}

async function administer(url, body, response) {
  const told = body ? JSON.parse(body) : {};
  const answer = (value) => response.setHeader('content-type', 'application/json').end(JSON.stringify(value));
  switch (url.pathname) {
    case '/admin/rotate': {
      generation += 1;
      const fresh = await makeKeys(generation);
      keys = told.keep === false ? fresh : [...fresh, ...keys];
      provider = build(keys);
      return answer({ generation });
    }
    case '/admin/account':
      accounts.set(told.id, told.claims);
      return answer({});
    case '/admin/calls':
      return answer(calls);
    case '/admin/events':
      return answer(events);
    default:
      response.statusCode = 404;
      return answer({});
  }
}

/// What a test may want to know of a request; no more is kept than a test can make.
function record(request, url, body) {
  if (calls.length >= 100_000) return;
  const form = request.headers['content-type']?.startsWith('application/x-www-form-urlencoded');
  calls.push({
    method: request.method,
    path: url.pathname,
    query: Object.fromEntries(url.searchParams),
    form: form ? Object.fromEntries(new URLSearchParams(body)) : {},
    scheme: request.headers.authorization?.split(' ')[0] ?? null,
    dpop: 'dpop' in request.headers,
    certificate: request.socket.getPeerX509Certificate?.() !== undefined,
  });
}

async function read(request) {
  const pieces = [];
  let size = 0;
  for await (const piece of request) {
    size += piece.length;
    if (size > 1 << 20) throw new Error('a request of more than 1 MiB');
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

function build(keys) {
  const made = new Provider(issuer, configuration(keys));
  for (const name of ['server_error', 'authorization.error', 'grant.error', 'userinfo.error',
    'pushed_authorization_request.error', 'end_session.error', 'jwks.error', 'discovery.error']) {
    made.on(name, (_ctx, error) => console.error(name, error.error ?? '', error.error_description ?? '', error.error_detail ?? error.stack));
  }
  made.on('backchannel.success', (_ctx, client, account, sid) => events.push({ logout: 'done', client: client.clientId, account, sid }));
  made.on('backchannel.error', (_ctx, error, client, account, sid) => {
    console.error('backchannel.error', error);
    events.push({ logout: 'failed', client: client.clientId, account, sid, error: String(error.message) });
  });
  made.answer = made.callback();
  return made;
}

async function serve(request, response) {
  const url = new URL(request.url, issuer);
  const body = await read(request);
  if (url.pathname.startsWith('/admin/')) return administer(url, body.toString(), response);
  record(request, url, body.toString());
  // where oidc-provider takes a body from that somebody else has read
  if (body.length) request.body = body.toString();
  if (url.pathname.startsWith('/interaction/')) return interact(request, response, url);
  return provider.answer(request, response);
}

let generation = 1;
let keys = await makeKeys(generation);
let provider = build(keys);

const handler = (request, response) => serve(request, response).catch((error) => {
  console.error(request.method, request.url, error);
  if (!response.headersSent) response.statusCode = 500;
  response.end();
});
http.createServer(handler).listen(settings.port, '127.0.0.1', () => console.log('ready'));
if (settings.tls) {
  const { port, key, cert, ca } = settings.tls;
  https.createServer({ key, cert, ca, requestCert: true, rejectUnauthorized: false }, handler).listen(port, '127.0.0.1');
}
