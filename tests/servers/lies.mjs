// What the lying provider can do wrong: one switch per row of the lists that a relying party is held
// to. The name of a switch says what it does, and fits a connection too. `row` is what it stands for:
//
//   oidcc-…    the test modules `oidcc-client-test-…` of the OpenID conformance suite
//   fapi1-…, fapi2-…   those of the FAPI profiles that we hold plain OpenID Connect to as well
//   FLOW-n, JWT-n, ACC-n, OUT-n   the attacks listed in src/threats.rs
//
// `demand` is what the client must do: `accept` the login, or `reject` it. `stops` says where a
// rejected login ends at the latest, and with that which call must never be made:
//
//   discovery   the browser is never sent to the provider
//   answer      the code is never redeemed
//   token       no userinfo call: what came from the token endpoint is not believed
//   userinfo    no session
//
// `says` is a word of the reason that the client must give, where another reason would prove little.
// `logins` is how often somebody must sign in until it shows. `needs` names what the client is
// registered with: `encryption` (of ID tokens, which the connection must be configured for),
// `signed-userinfo`.
//
// The rest are hooks, each given what the provider would say and the context `it`, which
// lying-provider.mjs makes.
//
//   discovery(document, it)  jwks(keys, it)  answer(params, it)  tokens(response, it)
//   header(header, it)  claims(claims, it)  userinfo(claims, it)   change the thing in place
//   payload(text, it)        the claims as text, for what JSON.stringify would not write
//   sign(header, text, it)   makes the whole token
//   compact(token, it)       changes the finished token
//   encrypt(token, it)       makes the JWE
//   signUserinfo(header, text, it)   the same for signed userinfo
//   http: {discovery|jwks|token|userinfo}(response, it)   answers in its place
import { createSecretKey } from 'node:crypto';
import { base64url, jwe, jws, makeKey, padded } from './minting.mjs';
import { down, gzipBomb, html, huge, redirect, serverError, slow, text } from './misbehaving.mjs';

const now = () => Math.floor(Date.now() / 1000);

/// The right keys, after a second.
const late = (response, it) => setTimeout(() => {
  text('application/json', JSON.stringify({ keys: [it.keys.rs.jwk, it.keys.es.jwk] }))(response);
}, 1000);

/// The attacker's own key, which no JWKS has.
const strange = makeKey('RS256', 'honest');
/// A key whose JWK says that it is for something else.
const forEncryption = makeKey('RS256', 'enc-key', { use: 'enc', alg: 'RSA-OAEP-256' });
const wrapOnly = makeKey('RS256', 'wrap-key', { use: undefined, key_ops: ['wrapKey'] });
const otherAlg = makeKey('RS256', 'ps-key', { alg: 'PS256' });
const short = makeKey('RS256', 'short', {}, 1024);
const second = makeKey('RS256', 'second');
const octets = Buffer.alloc(48, 7);
const oct = { kty: 'oct', kid: 'oct-key', k: base64url(octets), alg: 'HS256', use: 'sig' };

const accept = (row, hooks, more = {}) => ({ row, demand: 'accept', ...hooks, ...more });
const reject = (stops) => (row, hooks, more = {}) => ({ row, demand: 'reject', stops, ...hooks, ...more });
const atDiscovery = reject('discovery');
const atAnswer = reject('answer');
const atToken = reject('token');
const atUserinfo = reject('userinfo');

const claim = (name, value) => ({ claims: (c) => { c[name] = value; } });
const noClaim = (name) => ({ claims: (c) => { delete c[name]; } });
const header = (fields) => ({ header: (h) => Object.assign(h, fields) });
const profile = (fields) => ({
  claims: (c) => Object.assign(c, fields),
  userinfo: (c) => Object.assign(c, fields),
});
const signedBy = (key, fields = {}) => ({ sign: (h, t) => jws({ ...h, kid: key.kid, ...fields }, t, key.privateKey) });
const hmac = (key) => ({ sign: (h, t, it) => jws({ ...h, alg: 'HS256' }, t, key(it)) });
/// Claims as JSON text with a piece put in front of the rest, which JSON.stringify would not write.
const member = (json) => ({ payload: (t) => t.replace('{', `{${json},`) });
const endpoint = (name, url) => ({ discovery: (d, it) => { d[name] = url(it); } });

const idToken = {
  'invalid-iss': atToken('oidcc-invalid-iss', claim('iss', 'http://other.localhost/')),
  'iss-with-slash': atToken('oidcc-invalid-iss', { claims: (c) => { c.iss += '/'; } }),
  'missing-iss': atToken('fapi2-invalid-missing-iss', noClaim('iss')),
  'missing-sub': atToken('oidcc-missing-sub', noClaim('sub')),
  'empty-sub': atToken('ACC-4', profile({ sub: '' })),
  'long-sub': atToken('ACC-4', profile({ sub: 'a'.repeat(256) })),
  'number-sub': atToken('ACC-4', profile({ sub: 1 })),
  'object-sub': atToken('ACC-4', profile({ sub: { id: 'alice' } })),
  'line-break-in-sub': atToken('ACC-4', profile({ sub: 'a\r\nX-Role: admin' })),
  'invalid-aud': atToken('oidcc-invalid-aud', claim('aud', 'another-client')),
  'missing-aud': atToken('oidcc-missing-aud', noClaim('aud')),
  'empty-aud': atToken('oidcc-missing-aud', claim('aud', [])),
  'aud-as-array': accept('fapi2-valid-aud-as-array', { claims: (c) => { c.aud = [c.aud]; } }),
  'secondary-aud': atToken('fapi2-invalid-secondary-aud', { claims: (c) => { c.aud = [c.aud, 'another-client']; } }),
  'secondary-aud-with-azp': atToken('JWT-10', { claims: (c) => { c.azp = c.aud; c.aud = [c.aud, 'another-client']; } }),
  'foreign-azp': atToken('JWT-10', claim('azp', 'another-client')),
  'missing-iat': atToken('oidcc-missing-iat', noClaim('iat')),
  'iat-a-week-ago': atToken('fapi1-iat-is-week-in-past', { claims: (c) => { c.iat -= 7 * 86_400; } }),
  'iat-tomorrow': atToken('JWT-10', { claims: (c) => { c.iat += 86_400; } }),
  'nbf-tomorrow': atToken('JWT-10', { claims: (c) => { c.nbf = now() + 86_400; } }),
  'missing-exp': atToken('fapi2-invalid-missing-exp', noClaim('exp')),
  expired: atToken('fapi2-invalid-expired-exp', { claims: (c) => { c.exp = now() - 300; c.iat = now() - 900; } }),
  'nonce-invalid': atToken('oidcc-nonce-invalid', claim('nonce', 'another')),
  'missing-nonce': atToken('fapi2-invalid-missing-nonce', noClaim('nonce')),
  'nonce-as-array': atToken('FLOW-3', { claims: (c) => { c.nonce = [c.nonce]; } }),
  'replayed-id-token': atToken('JWT-13', {
    compact: (token, it) => (it.memory.firstToken ??= token),
  }, { logins: 2 }),
  'invalid-athash': atToken('oidcc-invalid-athash', claim('at_hash', 'AAAAAAAAAAAAAAAAAAAAAA')),
  'missing-athash': accept('oidcc-missing-athash', noClaim('at_hash')),
  'at-jwt-as-id-token': atToken('JWT-9', header({ typ: 'at+jwt' })),
  'logout-jwt-as-id-token': atToken('JWT-9', header({ typ: 'logout+jwt' })),
};

const numbers = {
  'exp-1e300': atToken('JWT-11', member('"exp":1e300'), { claims: (c) => { delete c.exp; } }),
  'exp-as-text': atToken('JWT-11', claim('exp', '9999999999')),
  'exp-negative': atToken('JWT-11', claim('exp', -1)),
  'exp-null': atToken('JWT-11', claim('exp', null)),
  'exp-2-to-63': atToken('JWT-11', member('"exp":9223372036854775808'), { claims: (c) => { delete c.exp; } }),
  'iat-2-to-63': atToken('JWT-11', member('"iat":9223372036854775808'), { claims: (c) => { delete c.iat; } }),
  'iat-as-text': atToken('JWT-11', { claims: (c) => { c.iat = String(c.iat); } }),
  'iat-negative': atToken('JWT-11', claim('iat', -1)),
};

const signatures = {
  'sig-none': atToken('oidcc-idtoken-sig-none', { sign: (h, t) => jws({ ...h, alg: 'none' }, t) }),
  'sig-none-mixed-case': atToken('JWT-1', { sign: (h, t) => jws({ ...h, alg: 'NonE' }, t) }),
  'sig-none-kept': atToken('JWT-1', {
    sign: (h, t, it) => `${jws({ ...h, alg: 'none' }, t)}${jws(h, t, it.key.privateKey).split('.')[2]}`,
  }),
  'alg-missing': atToken('JWT-1', { sign: (h, t, it) => {
    const { alg, ...rest } = h;
    return `${jws(rest, t)}${jws(h, t, it.key.privateKey).split('.')[2]}`;
  } }),
  'invalid-sig-rs256': atToken('oidcc-invalid-sig-rs256', { sign: (h, t) => jws(h, t, strange.privateKey) }),
  'invalid-sig-es256': atToken('oidcc-invalid-sig-es256', {
    sign: (h, t, it) => jws({ ...h, alg: 'ES256', kid: it.keys.es.kid }, t, makeKey('ES256', 'x').privateKey),
  }),
  'invalid-sig-hs256': atToken('oidcc-invalid-sig-hs256', hmac(() => 'another secret of more than thirty-two octets')),
  'null-signature': atToken('fapi2-invalid-null-alg', { compact: (t) => `${t.split('.').slice(0, 2).join('.')}.` }),
  'zero-es256-signature': atToken('JWT-7', {
    sign: (h, t, it) => {
      const head = { ...h, alg: 'ES256', kid: it.keys.es.kid };
      return `${jws(head, t, it.keys.es.privateKey).split('.').slice(0, 2).join('.')}.${base64url(Buffer.alloc(64))}`;
    },
  }),
  'claims-changed-after-signing': atToken('JWT-7', { compact: (token) => {
    const [head, body, sig] = token.split('.');
    const claims = JSON.parse(Buffer.from(body, 'base64url'));
    return `${head}.${base64url(JSON.stringify({ ...claims, email: 'admin@example.org' }))}.${sig}`;
  } }),
  'hs256-client-secret': atToken('JWT-2', hmac((it) => it.settings.client_secret)),
  'hs256-public-pem': atToken('JWT-2', hmac((it) => it.key.publicKey.export({ type: 'spki', format: 'pem' }))),
  'hs256-public-der': atToken('JWT-2', hmac((it) => it.key.publicKey.export({ type: 'spki', format: 'der' }))),
  'hs256-public-jwk': atToken('JWT-2', hmac((it) => JSON.stringify(it.key.jwk))),
  'hs256-empty-key': atToken('JWT-3', hmac(() => createSecretKey(Buffer.alloc(0)))),
  'alternate-alg': atToken('fapi2-invalid-alternate-alg', {
    jwks: (keys, it) => keys.push(it.keys.es384.jwk),
    sign: (h, t, it) => jws({ ...h, alg: 'ES384', kid: it.keys.es384.kid }, t, it.keys.es384.privateKey),
  }),
};

const headers = {
  'header-jwk': atToken('JWT-4', { sign: (h, t) => jws({ ...h, jwk: strange.jwk }, t, strange.privateKey) }),
  'header-jku': atToken('JWT-4', { sign: (h, t, it) => jws({ ...h, jku: `${it.base}/canary/jku` }, t, strange.privateKey) }),
  'header-x5u': atToken('JWT-4', { sign: (h, t, it) => jws({ ...h, x5u: `${it.base}/canary/x5u` }, t, strange.privateKey) }),
  'header-x5c': atToken('JWT-4', {
    sign: (h, t) => jws({ ...h, x5c: [strange.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')] }, t, strange.privateKey),
  }),
  'kid-is-a-path': atToken('JWT-5', { sign: (h, t) => jws({ ...h, alg: 'HS256', kid: '../../../dev/null' }, t, createSecretKey(Buffer.alloc(0))) }),
  'kid-is-sql': atToken('JWT-5', { sign: (h, t) => jws({ ...h, kid: "x' UNION SELECT 'k" }, t, strange.privateKey) }),
  'kid-is-a-url': atToken('JWT-5', { sign: (h, t, it) => jws({ ...h, kid: `${it.base}/canary/kid` }, t, strange.privateKey) }),
  'kid-of-64-kib': atToken('JWT-5', { sign: (h, t, it) => jws({ ...h, kid: 'k'.repeat(65_536) }, t, it.key.privateKey) }),
  'kid-is-a-number': atToken('JWT-5', { sign: (h, t, it) => jws({ ...h, kid: 1 }, t, it.key.privateKey) }),
  'kid-unknown': atToken('JWT-5', { sign: (h, t, it) => jws({ ...h, kid: base64url(String(Math.random())) }, t, it.key.privateKey) }),
  'crit-exp': atToken('JWT-9', header({ crit: ['exp'], exp: 1 })),
  'crit-b64-false': atToken('JWT-9', { sign: (h, t, it) => jws({ ...h, b64: false, crit: ['b64'] }, t, it.key.privateKey) }),
  'crit-empty': atToken('JWT-9', header({ crit: [] })),
  'zip-on-jws': atToken('JWT-14', header({ zip: 'DEF' })),
};

const shapes = {
  'flattened-json-jws': atToken('JWT-8', { compact: (token) => {
    const [head, payload, sig] = token.split('.');
    return JSON.stringify({ protected: head, payload, signature: sig });
  } }),
  'four-segments': atToken('JWT-8', { compact: (t) => `${t}.AAAA` }),
  'trailing-newline': atToken('JWT-8', { compact: (t) => `${t}\n` }),
  'leading-space': atToken('JWT-8', { compact: (t) => ` ${t}` }),
  padded: atToken('JWT-8', { compact: (t) => `${t}=` }),
  'a-million-dots': atToken('JWT-16', { compact: () => '.'.repeat(1_000_000) }),
  'duplicate-sub': atToken('JWT-16', member('"sub":"admin"')),
  'duplicate-nonce': atToken('JWT-16', member('"nonce":"another"')),
  'deep-claims': atToken('JWT-16', member(`"deep":${'['.repeat(5000)}${']'.repeat(5000)}`)),
  'claims-not-an-object': atToken('JWT-16', { payload: () => '["sub","alice"]' }),
  'claims-not-json': atToken('JWT-16', { payload: (t) => t.slice(0, -1) }),
  'claims-not-utf-8': atToken('JWT-16', { payload: (t) => Buffer.concat([Buffer.from(t.slice(0, -1)), Buffer.from(',"name":"\xff"}', 'latin1')]) }),
  'huge-claims': atToken('JWT-16', claim('name', 'n'.repeat(2_000_000))),
};

const keySets = {
  'kid-absent-single-jwks': accept('oidcc-kid-absent-single-jwks', {
    jwks: (keys) => keys.splice(1),
    header: (h) => { delete h.kid; },
  }),
  'kid-absent-one-fits': accept('oidcc-kid-absent-multiple-jwks', {
    jwks: (keys) => keys.push(forEncryption.jwk),
    header: (h) => { delete h.kid; },
  }),
  'kid-absent-multiple-jwks': atToken('oidcc-kid-absent-multiple-jwks', {
    jwks: (keys) => keys.push(second.jwk),
    header: (h) => { delete h.kid; },
  }),
  'jwks-has-oct': atToken('JWT-6', {
    jwks: (keys) => keys.push(oct),
    sign: (h, t) => jws({ ...h, alg: 'HS256', kid: oct.kid }, t, octets),
  }),
  'signed-with-enc-key': atToken('JWT-6', { jwks: (keys) => keys.push(forEncryption.jwk), ...signedBy(forEncryption) }),
  'signed-with-wrap-key': atToken('JWT-6', { jwks: (keys) => keys.push(wrapOnly.jwk), ...signedBy(wrapOnly) }),
  'signed-with-key-of-other-alg': atToken('JWT-6', { jwks: (keys) => keys.push(otherAlg.jwk), ...signedBy(otherAlg) }),
  'signed-with-1024-bits': atToken('JWT-7', { jwks: (keys) => keys.push(short.jwk), ...signedBy(short) }),
  'signed-with-exponent-one': atToken('JWT-7', {
    jwks: (keys, it) => keys.push({ ...it.key.jwk, kid: 'one', e: 'AQ' }),
    sign: (h, t) => jws({ ...h, kid: 'one' }, t, null, padded),
  }),
  'duplicate-kid': atToken('JWT-6', {
    jwks: (keys, it) => keys.unshift({ ...strange.jwk, kid: it.key.kid }),
    sign: (h, t) => jws(h, t, strange.privateKey),
  }),
  'jwks-empty': atToken('JWT-18', { jwks: (keys) => keys.splice(0) }),
  'jwks-500': atToken('JWT-18', { http: { jwks: serverError } }),
  'jwks-html': atToken('JWT-18', { http: { jwks: html } }),
  'jwks-huge': atToken('JWT-18', { http: { jwks: huge } }),
  'jwks-redirect': atToken('JWT-18', { http: { jwks: redirect('/canary/jwks') } }),
  'jwks-down': atToken('JWT-18', { http: { jwks: down } }),
  'jwks-late': accept('JWT-5', { http: { jwks: late } }),
  'jwks-slow': atToken('JWT-18', { http: { jwks: slow } }),
  'rotate-before-signing': accept('oidcc-signing-key-rotation-just-before-signing', {
    claims: (_c, it) => it.rotate(),
  }, { logins: 2 }),
};

const encrypted = {
  'encrypted-id-token': accept('JWT-15', {}, { needs: 'encryption' }),
  'jwe-rsa1-5': atToken('fapi1-encrypted-idtoken-usingrsa15', { encrypt: (t, it) => jwe({ alg: 'RSA1_5', kid: it.client.kid, cty: 'JWT' }, t, it.client.key) }, { needs: 'encryption' }),
  'jwe-zip': atToken('JWT-14', { encrypt: (t, it) => jwe({ alg: 'RSA-OAEP-256', zip: 'DEF', kid: it.client.kid, cty: 'JWT' }, t, it.client.key) }, { needs: 'encryption' }),
  'jwe-zip-bomb': atToken('JWT-14', { encrypt: (t, it) => jwe({ alg: 'RSA-OAEP-256', zip: 'DEF', kid: it.client.kid, cty: 'JWT' }, t.padEnd(100_000_000), it.client.key) }, { needs: 'encryption' }),
  'jwe-pbes2': atToken('JWT-15', { encrypt: (t, it) => jwe({ alg: 'PBES2-HS256+A128KW', p2c: 2_000_000_000, p2s: base64url('saltsalt'), cty: 'JWT' }, t, it.settings.client_secret) }, { needs: 'encryption' }),
  'jwe-unsigned-inside': atToken('JWT-6', { sign: (_h, t) => t }, { needs: 'encryption' }),
  'jwe-none-inside': atToken('JWT-6', { sign: (h, t) => jws({ ...h, alg: 'none' }, t) }, { needs: 'encryption' }),
  'jwe-not-encrypted': atToken('JWT-6', { encrypt: (t) => t }, { needs: 'encryption' }),
  'jwe-tag-cut': atToken('JWT-15', { encrypt: (t, it) => jwe({ alg: 'RSA-OAEP-256', kid: it.client.kid, cty: 'JWT' }, t, it.client.key).slice(0, -6) }, { needs: 'encryption' }),
};

const answers = {
  'answer-other-iss': atAnswer('fapi2-invalid-authorization-response-iss', { answer: (p) => { p.iss = 'http://other.localhost'; } }),
  'answer-without-iss': atAnswer('fapi2-remove-authorization-response-iss', { answer: (p) => { delete p.iss; } }),
  'answer-iss-never-announced': accept('FLOW-5', {
    discovery: (d) => { delete d.authorization_response_iss_parameter_supported; },
    answer: (p) => { delete p.iss; },
  }),
  'answer-other-iss-never-announced': atAnswer('FLOW-5', {
    discovery: (d) => { delete d.authorization_response_iss_parameter_supported; },
    answer: (p) => { p.iss = 'http://other.localhost'; },
  }),
  'answer-other-state': atAnswer('fapi2-ensure-authorization-response-with-invalid-state-fails', { answer: (p) => { p.state = `${p.state}x`; } }),
  'answer-without-state': atAnswer('fapi2-ensure-authorization-response-with-invalid-missing-state-fails', { answer: (p) => { delete p.state; } }),
  'answer-empty-state': atAnswer('FLOW-1', { answer: (p) => { p.state = ''; } }),
  'answer-state-twice': atAnswer('FLOW-8', { answer: (p) => { p.state = [p.state, p.state]; } }),
  'answer-code-twice': atAnswer('FLOW-8', { answer: (p) => { p.code = [p.code, 'another']; } }),
  'answer-iss-twice': atAnswer('FLOW-8', { answer: (p) => { p.iss = ['http://other.localhost', p.iss]; } }),
  'answer-without-code': atAnswer('FLOW-6', { answer: (p) => { delete p.code; } }),
  'answer-code-and-error': atAnswer('FLOW-10', { answer: (p) => { p.error = 'access_denied'; } }),
  'answer-huge-code': atAnswer('FLOW-8', { answer: (p) => { p.code = 'c'.repeat(10_000); } }),
  'answer-script-in-error': atAnswer('FLOW-10', {
    answer: (p) => { delete p.code; p.error = 'access_denied'; p.error_description = '<script>alert(1)</script>'; },
  }),
  'answer-script-as-error': atAnswer('FLOW-10', { answer: (p) => { delete p.code; p.error = '"><script>alert(1)</script>'; } }),
  'answer-error-without-state': atAnswer('FLOW-10', { answer: (p) => { delete p.code; delete p.state; p.error = 'access_denied'; } }),
  'answer-login-required': atAnswer('oidcc-form-post-error', { answer: (p) => { delete p.code; p.error = 'login_required'; } }),
  'answer-by-other-mode': atAnswer('FLOW-9', {}, { mode: 'other' }),
};

const discovery = {
  'discovery-issuer-mismatch': atDiscovery('oidcc-discovery-issuer-mismatch', { discovery: (d) => { d.issuer = 'http://other.localhost'; } }),
  'discovery-issuer-slash': atDiscovery('oidcc-discovery-issuer-mismatch', { discovery: (d) => { d.issuer += '/'; } }),
  'discovery-without-issuer': atDiscovery('oidcc-discovery-issuer-mismatch', { discovery: (d) => { delete d.issuer; } }),
  'discovery-only-plain': atDiscovery('FLOW-7', { discovery: (d) => { d.code_challenge_methods_supported = ['plain']; } }),
  'discovery-500': atDiscovery('OUT-1', { http: { discovery: serverError } }),
  'discovery-html': atDiscovery('OUT-1', { http: { discovery: html } }),
  'discovery-down': atDiscovery('OUT-1', { http: { discovery: down } }),
  'discovery-huge': atDiscovery('OUT-1', { http: { discovery: huge } }),
  'discovery-slow': atDiscovery('OUT-1', { http: { discovery: slow } }),
  'discovery-redirect': atDiscovery('OUT-1', { http: { discovery: redirect('/canary/discovery') } }),
  'discovery-not-json': atDiscovery('OUT-1', { http: { discovery: text('application/json', '{"issuer":') } }),
  'discovery-duplicate-issuer': atDiscovery('JWT-16', { http: { discovery: (response, it) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(it.document).replace('{', '{"issuer":"http://other.localhost",'));
  } } }),
  'authorization-endpoint-is-script': atDiscovery('OUT-1', endpoint('authorization_endpoint', () => 'javascript:alert(1)')),
  'token-endpoint-missing': atDiscovery('OUT-1', { discovery: (d) => { delete d.token_endpoint; } }),
  'token-endpoint-is-a-file': atDiscovery('OUT-1', endpoint('token_endpoint', () => 'file:///etc/passwd')),
  'token-endpoint-is-plain-http': atToken('OUT-1', endpoint('token_endpoint', () => 'http://idp.example/token')),
  'token-endpoint-is-private': atToken('OUT-1', endpoint('token_endpoint', () => 'https://10.0.0.1/token'), { says: 'inside' }),
  'token-endpoint-is-inside': atToken('OUT-1', endpoint('token_endpoint', () => 'https://127.0.0.1/token'), { says: 'inside' }),
  'token-endpoint-is-elsewhere': atToken('OUT-1', endpoint('token_endpoint', (it) => `http://other.localhost:${it.settings.port}/canary/token`)),
  'token-endpoint-is-loopback': atToken('OUT-1', endpoint('token_endpoint', (it) => `http://127.0.0.1:${it.settings.port}/canary/token`)),
  'jwks-is-link-local': atToken('OUT-1', endpoint('jwks_uri', () => 'https://169.254.169.254/latest/meta-data/'), { says: 'inside' }),
  'jwks-is-elsewhere': atToken('OUT-1', endpoint('jwks_uri', (it) => `http://other.localhost:${it.settings.port}/canary/jwks`)),
  'jwks-is-loopback': atToken('OUT-1', endpoint('jwks_uri', (it) => `http://127.0.0.1:${it.settings.port}/canary/jwks`)),
  'userinfo-is-elsewhere': atUserinfo('OUT-1', endpoint('userinfo_endpoint', (it) => `http://other.localhost:${it.settings.port}/canary/userinfo`)),
};

const tokenEndpoint = {
  'token-type-mixed-case': accept('fapi2-token-type-case-insensitivity', { tokens: (t) => { t.token_type = 'bEARER'; } }),
  'token-type-mac': atToken('FLOW-22', { tokens: (t) => { t.token_type = 'mac'; } }),
  'token-type-missing': atToken('FLOW-22', { tokens: (t) => { delete t.token_type; } }),
  'without-expires-in': accept('fapi2-token-endpoint-response-without-expires_in', { tokens: (t) => { delete t.expires_in; } }),
  'without-id-token': atToken('FLOW-22', { tokens: (t) => { delete t.id_token; } }),
  'id-token-is-a-number': atToken('FLOW-22', { tokens: (t) => { t.id_token = 5; } }),
  'token-500': atToken('OUT-1', { http: { token: serverError } }),
  'token-html': atToken('OUT-1', { http: { token: html } }),
  'token-down': atToken('OUT-1', { http: { token: down } }),
  'token-huge': atToken('OUT-1', { http: { token: huge } }),
  'token-slow': atToken('OUT-1', { http: { token: slow } }),
  'token-gzip-bomb': atToken('OUT-1', { http: { token: gzipBomb } }),
  'token-redirect': atToken('OUT-1', { http: { token: redirect('/canary/token', 307) } }),
  'token-error-with-script': atToken('FLOW-10', {
    http: { token: text('application/json', '{"error":"invalid_grant","error_description":"<script>alert(1)</script>"}', 400) },
  }),
  'token-duplicate-members': atToken('JWT-16', { tokens: (t) => { t.duplicate = true; } }),
};

const userinfo = {
  'userinfo-invalid-sub': atUserinfo('oidcc-userinfo-invalid-sub', { userinfo: (c) => { c.sub = 'admin'; } }),
  'userinfo-missing-sub': atUserinfo('oidcc-userinfo-invalid-sub', { userinfo: (c) => { delete c.sub; } }),
  'userinfo-sub-in-other-case': atUserinfo('oidcc-userinfo-invalid-sub', { userinfo: (c) => { c.sub = c.sub.toUpperCase(); } }),
  'userinfo-html': atUserinfo('OUT-1', { http: { userinfo: html } }),
  'userinfo-500': atUserinfo('OUT-1', { http: { userinfo: serverError } }),
  'userinfo-403': atUserinfo('OUT-1', { http: { userinfo: text('application/json', '{"error":"insufficient_scope"}', 403) } }),
  'userinfo-without-groups': accept('ACC-5', { userinfo: (c) => { delete c.groups; } }),
  'refresh-without-id-token': accept('FLOW-15', { tokens: (t) => { delete t.id_token; } }, { refresh: true }),
  'userinfo-down': atUserinfo('OUT-1', { http: { userinfo: down } }),
  'userinfo-huge': atUserinfo('OUT-1', { http: { userinfo: huge } }),
  'userinfo-more-than-is-kept': atUserinfo('ACC-5', { userinfo: (c) => { c.history = 'x'.repeat(300_000); } }, { says: 'at most are kept' }),
  'userinfo-slow': atUserinfo('OUT-1', { http: { userinfo: slow } }),
  'userinfo-redirect': atUserinfo('OUT-1', { http: { userinfo: redirect('/canary/userinfo') } }),
  'userinfo-duplicate-sub': atUserinfo('JWT-16', { userinfo: (c) => { c.duplicate = true; } }),
  'userinfo-signed': accept('oidcc-userinfo-signed', {}, { needs: 'signed-userinfo' }),
  'userinfo-signed-by-stranger': atUserinfo('oidcc-userinfo-signed', { signUserinfo: (h, t) => jws(h, t, strange.privateKey) }, { needs: 'signed-userinfo' }),
  'userinfo-signed-for-another': atUserinfo('oidcc-userinfo-signed', { userinfo: (c) => { c.aud = 'another-client'; } }, { needs: 'signed-userinfo' }),
  'userinfo-signed-by-other-iss': atUserinfo('oidcc-userinfo-signed', { userinfo: (c) => { c.iss = 'http://other.localhost'; } }, { needs: 'signed-userinfo' }),
  'distributed-claims': accept('oidcc-distributed-claims', {
    claims: (c, it) => Object.assign(c, {
      _claim_names: { groups: 'elsewhere' },
      _claim_sources: { elsewhere: { endpoint: `${it.base}/canary/claims`, access_token: 'x' } },
    }),
  }),
};

const accounts = {
  'email-verified-false': accept('ACC-1', profile({ email_verified: false })),
  'email-verified-text': accept('ACC-1', profile({ email_verified: 'true' })),
  'email-verified-one': accept('ACC-1', profile({ email_verified: 1 })),
  'email-verified-absent': accept('ACC-1', profile({ email_verified: undefined })),
  'email-is-an-array': accept('ACC-1', profile({ email: ['admin@example.org'] })),
  'email-two-ats': accept('ACC-3', profile({ email: 'admin@evil.example@example.org' })),
  'email-line-break': accept('ACC-3', profile({ email: 'admin@example.org\r\nX-Role: admin' })),
  'groups-as-text': accept('ACC-5', profile({ groups: 'admins' })),
  'groups-as-object': accept('ACC-5', profile({ groups: { admins: true } })),
  'groups-null': accept('ACC-5', profile({ groups: null })),
  'groups-nested': accept('ACC-5', profile({ groups: [['admins']] })),
  'groups-with-number': accept('ACC-5', profile({ groups: [1, 'admins'] })),
  'groups-with-comma': accept('HDR-9', profile({ groups: ['users,admins'] })),
};

/// At a refresh (OpenID Connect Core, section 12.2): the first login is honest.
const refreshing = {
  'refresh-other-issuer': atToken('oidcc-refresh-token-invalid-issuer', claim('iss', 'http://other.localhost'), { refresh: true }),
  'refresh-other-sub': atToken('oidcc-refresh-token-invalid-sub', claim('sub', 'admin'), { refresh: true }),
  'refresh-other-aud': atToken('FLOW-15', claim('aud', 'another-client'), { refresh: true }),
  'refresh-expired': atToken('FLOW-15', { claims: (c) => { c.exp = now() - 300; c.iat = now() - 900; } }, { refresh: true }),
  'refresh-invalid-athash': atToken('FLOW-15', claim('at_hash', 'AAAAAAAAAAAAAAAAAAAAAA'), { refresh: true }),
  'refresh-foreign-signature': atToken('FLOW-15', { sign: (h, t) => jws(h, t, strange.privateKey) }, { refresh: true }),
  'refresh-invalid-grant': atToken('FLOW-15', {
    http: { token: text('application/json', '{"error":"invalid_grant"}', 400) },
  }, { refresh: true }),
};

/// Logout tokens (OpenID Connect Back-Channel Logout, section 2.4), minted by POST /admin/mint.
const loggingOut = {
  'logout-alg-none': atToken('oidcc-rp-backchannel-rpinitlogout-alg-none', { sign: (h, t) => jws({ ...h, alg: 'none' }, t) }),
  'logout-no-event': atToken('oidcc-rp-backchannel-rpinitlogout-no-event', noClaim('events')),
  'logout-wrong-event': atToken('oidcc-rp-backchannel-rpinitlogout-wrong-event', claim('events', { 'http://schemas.openid.net/event/other': {} })),
  'logout-event-as-array': atToken('oidcc-rp-backchannel-rpinitlogout-wrong-event', claim('events', ['http://schemas.openid.net/event/backchannel-logout'])),
  'logout-with-nonce': atToken('oidcc-rp-backchannel-rpinitlogout-with-nonce', claim('nonce', 'n')),
  'logout-wrong-alg': atToken('oidcc-rp-backchannel-rpinitlogout-wrong-alg', hmac((it) => it.settings.client_secret)),
  'logout-wrong-aud': atToken('oidcc-rp-backchannel-rpinitlogout-wrong-aud', claim('aud', 'another-client')),
  'logout-wrong-iss': atToken('oidcc-rp-backchannel-rpinitlogout-wrong-iss', claim('iss', 'http://other.localhost')),
  'logout-bad-signature': atToken('FLOW-20', { sign: (h, t) => jws(h, t, strange.privateKey) }),
  'logout-without-iat': atToken('FLOW-20', noClaim('iat')),
  'logout-without-jti': atToken('FLOW-20', noClaim('jti')),
  // the drafts before the final text had none, and `iat` bounds it as well
  'logout-without-exp': accept('FLOW-20', noClaim('exp')),
  'logout-expired': atToken('FLOW-20', { claims: (c) => { c.exp = now() - 300; c.iat = now() - 600; } }),
  'logout-of-nobody': atToken('FLOW-20', { claims: (c) => { delete c.sub; delete c.sid; } }),
  'logout-typ-at-jwt': atToken('FLOW-20', header({ typ: 'at+jwt' })),
};

const group = (of, table) => Object.entries(table).map(([name, lie]) => [name, { name, of, ...lie }]);

/// Every switch by its name; `of` says which test drives it.
export const lies = new Map([
  ...group('login', { ...idToken, ...numbers, ...signatures, ...headers, ...shapes, ...keySets, ...encrypted, ...answers,
    ...discovery, ...tokenEndpoint, ...userinfo }),
  ...group('account', accounts),
  ...group('refresh', refreshing),
  ...group('logout', loggingOut),
]);
