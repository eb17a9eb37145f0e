// An identity provider made of Auth0's own libraries: `samlp` (SAML 2.0) and `wsfed` (WS-Federation).
// It listens on loopback only. Started by hand:
//
//   node samlp-wsfed.mjs '{"port": 9400, "key": PEM, "certificate": PEM, "relying_parties": {...}}'
//
// Settings, in one JSON object as the first argument:
//
//   port        where it listens; it is http://idp.localhost:PORT
//   key, certificate   by which it signs, in PEM
//   other_certificate  another in its federation metadata, which signs nothing
//   accounts    {"alice": {...}}: what is said of an account over what is said of everybody. Any
//               login name works
//   service_providers  for SAML, by entity ID: {"acs", "slo", "certificate", "binding", "options"}.
//               `certificate` (PEM) verifies their requests for logout, `binding` is the one by which
//               these are answered (default: HTTP-Redirect), `options` are those of samlp.auth;
//               {"encrypt": true} encrypts assertions for the certificate, by AES-256-GCM
//   relying_parties    for WS-Federation, by realm: {"wreply", "certificate", "fault", "options"}.
//               `certificate` is the one for which tokens are encrypted (AES-256-CBC is all that
//               wsfed can), `fault` {"code", "description"} is answered instead of a token, `options`
//               are those of wsfed.auth
//
// Where it is:
//
//   /metadata         of SAML; its entity ID
//   /samlp, /slo      single sign-on and single logout, by HTTP-Redirect and HTTP-POST. /samlp?sp=ID
//                     sends a response that nobody asked for, /slo ends all sessions of a browser
//   /wsfed            wsignin1.0, and wsignout1.0, which the library leaves to whoever uses it
//   /wsfed/FederationMetadata/2007-06/FederationMetadata.xml   its name is urn:wsfed:idp
//   /admin/seen       the query of every request for a token
import './loopback.mjs';
import { X509Certificate, randomBytes } from 'node:crypto';
import http from 'node:http';
import samlp from 'samlp';
import SessionParticipants from 'samlp/lib/sessionParticipants/index.js';
import wsfed from 'wsfed';

const settings = JSON.parse(process.argv[2]);
const origin = `http://idp.localhost:${settings.port}`;
const entityId = `${origin}/metadata`;
const REALM = 'urn:wsfed:idp';
const HTTP_REDIRECT = 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect';
const signing = { cert: settings.certificate, key: settings.key };
const sessions = new Map();
const seen = [];

/// As the libraries want it: a profile of Passport.
function account(login) {
  return {
    id: login,
    displayName: `User ${login}`,
    name: { givenName: 'User', familyName: login },
    emails: [{ value: `${login}@example.org` }],
    groups: ['staff', `team-${login}`],
    ...settings.accounts?.[login],
  };
}

function encryption(certificate) {
  const key = new X509Certificate(certificate).publicKey;
  const encryptionPublicKey = key.export({ type: 'spki', format: 'pem' });
  return { encryptionCert: certificate, encryptionPublicKey };
}

function escape(text) {
  return text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);
}

/// Asks who it is; a request that came by a form goes on as it came.
function loginPage(req, res) {
  const hidden = Object.entries(req.body)
    .filter(([name]) => name !== 'login')
    .map(([name, value]) => `<input type="hidden" name="${escape(name)}" value="${escape(value)}">`);
  res.set('Content-Type', 'text/html');
  res.send(
    `<!doctype html><title>Sign in</title><form method="post" action="${escape(req.originalUrl)}">` +
      `${hidden.join('')}<input name="login"><button>Sign in</button></form>`,
  );
}

/// Whoever is signed in, or the page that asks. `again` asks whoever signed in before that.
function signedIn(req, res, again) {
  if (req.body.login) {
    Object.assign(req.session, { login: req.body.login, since: Date.now(), fresh: true });
    if (req.query.SAMLRequest || req.query.sp || req.query.wa) {
      res.redirect(req.originalUrl);
      return undefined;
    }
  }
  const { login, since, fresh } = req.session;
  if (login && (fresh || !(since < again))) {
    req.session.fresh = false;
    return account(login);
  }
  loginPage(req, res);
  return undefined;
}

function samlSignOn(req, res, next) {
  const user = signedIn(req, res, 0);
  if (!user) return;
  const sessionIndex = `_${randomBytes(8).toString('hex')}`;
  const audienceOf = (id) => id ?? req.query.sp;
  const answer = (id) => {
    const known = settings.service_providers?.[id];
    if (!known) return res.send(403);
    req.session.participants.push({
      serviceProviderId: id,
      sessionIndex,
      nameId: user.id,
      serviceProviderLogoutURL: known.slo,
      cert: known.certificate,
      binding: known.binding ?? HTTP_REDIRECT,
    });
    return samlp.auth({
      ...signing,
      issuer: entityId,
      audience: id,
      sessionIndex,
      signResponse: true,
      // both would be the audience
      destination: known.acs,
      recipient: known.acs,
      getPostURL: (_audience, _request, _req, done) => done(null, known.acs),
      getUserFromRequest: () => user,
      ...(known.encrypt ? encryption(known.certificate) : {}),
      ...known.options,
    })(req, res, next);
  };
  samlp.parseRequest(req, (error, request) => (error ? next(error) : answer(audienceOf(request?.issuer))));
}

function singleLogout(req, res, next) {
  samlp.logout({
    ...signing,
    issuer: entityId,
    deflate: true,
    protocolBinding: HTTP_REDIRECT,
    signatureAlgorithm: 'rsa-sha256',
    digestAlgorithm: 'sha256',
    sessionParticipants: new SessionParticipants(req.session.participants),
    clearIdPSession: (done) => {
      delete req.session.login;
      done();
    },
  })(req, res, next);
}

function wsFederation(req, res, next) {
  const { wa, wtrealm, wreply, wctx, wfresh } = req.query;
  if (wa === 'wsignout1.0') return wsSignOut(req, res, wreply);
  const known = settings.relying_parties?.[wtrealm];
  if (wa !== 'wsignin1.0' || !known) return res.send(403);
  const again = wfresh === undefined ? 0 : Date.now() - wfresh * 60_000;
  const user = signedIn(req, res, again);
  if (!user) return undefined;
  seen.push(req.query);
  req.session.realms.add(wtrealm);
  const getPostURL = (...given) => given.at(-1)(null, known.wreply);
  if (known.fault) return wsfed.sendError({ fault: known.fault, wctx, getPostURL })(req, res, next);
  return wsfed.auth({
    ...signing,
    issuer: REALM,
    getPostURL,
    getUserFromRequest: () => user,
    ...(known.certificate ? encryption(known.certificate) : {}),
    ...known.options,
  })(req, res, next);
}

/// Ends the session, has the browser tell each relying party of that, and sends it back.
function wsSignOut(req, res, wreply) {
  const told = [...req.session.realms].map((realm) => settings.relying_parties[realm].wreply);
  sessions.delete(req.session.id);
  const pictures = told.map((to) => `<img src="${escape(to)}?wa=wsignoutcleanup1.0" alt="">`);
  const known = Object.values(settings.relying_parties).map(({ wreply: to }) => new URL(to).origin);
  const back = wreply && known.includes(new URL(wreply).origin) ? escape(wreply) : undefined;
  const onward = back ? `<meta http-equiv="refresh" content="0;url=${back}">` : '';
  res.set('Content-Type', 'text/html');
  res.send(`<!doctype html><title>Signed out</title>${onward}<p>Signed out</p>${pictures.join('')}`);
}

function federationMetadata(req, res) {
  const send = res.send;
  // The library can name one key only; a provider that changes keys names two.
  const withOther = (text) => {
    const other = settings.other_certificate;
    const key = /<KeyDescriptor.*?<\/KeyDescriptor>/.exec(text)[0];
    const base64 = other?.replace(/-----.*?-----|\s/g, '');
    const second = other ? key.replace(/(<X509Certificate>)[^<]*/, `$1${base64}`) : '';
    return text.replace(key, second + key);
  };
  res.send = (text) => send(withOther(text));
  wsfed.metadata({ issuer: REALM, cert: settings.certificate, endpointPath: '/wsfed' })(req, res);
}

const pages = {
  '/metadata': samlp.metadata({
    issuer: entityId,
    cert: settings.certificate,
    redirectEndpointPath: '/samlp',
    postEndpointPath: '/samlp',
    logoutEndpointPaths: { redirect: '/slo', post: '/slo' },
  }),
  '/samlp': samlSignOn,
  '/slo': singleLogout,
  '/wsfed': wsFederation,
  '/wsfed/FederationMetadata/2007-06/FederationMetadata.xml': federationMetadata,
  '/admin/seen': (_req, res) => {
    res.set('Content-Type', 'application/json');
    res.send(JSON.stringify(seen));
  },
};

/// The session of a browser.
function sessionOf(req, res) {
  const id = /(?:^|; )idp=([0-9a-f]+)/.exec(req.headers.cookie ?? '')?.[1];
  const held = sessions.get(id);
  if (held) return held;
  const session = { id: randomBytes(16).toString('hex'), participants: [], realms: new Set() };
  sessions.set(session.id, session);
  res.setHeader('Set-Cookie', `idp=${session.id}; HttpOnly; Path=/`);
  return session;
}

/// As much of express as the libraries use.
async function dress(req, res) {
  const url = new URL(req.url, origin);
  const chunks = [];
  for await (const chunk of req) chunks.push(chunk);
  const body = new URLSearchParams(Buffer.concat(chunks).toString());
  req.originalUrl = req.url;
  req.protocol = 'http';
  req.query = Object.fromEntries(url.searchParams);
  req.body = Object.fromEntries(body);
  req.session = sessionOf(req, res);
  res.set = (name, value) => res.setHeader(name, value);
  res.send = (what, more) => {
    if (typeof what === 'number') res.statusCode = what;
    res.end(typeof what === 'number' ? String(more ?? what) : what);
  };
  res.redirect = (to) => {
    res.statusCode = 303;
    res.setHeader('Location', to);
    res.end();
  };
  return url.pathname;
}

const server = http.createServer(async (req, res) => {
  const page = pages[await dress(req, res)];
  const failed = (error) => {
    console.error(error);
    res.send(500, String(error));
  };
  try {
    if (page) page(req, res, failed);
    else res.send(404);
  } catch (error) {
    failed(error);
  }
});
server.listen(settings.port, '127.0.0.1', () => console.log('ready'));
