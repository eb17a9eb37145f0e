// Providers of plain OAuth 2.0 as their own documentation shows them, each below its name: what they
// demand of a request, what they answer, and how they say no. Whoever comes is signed in at once.
// Started by hand:
//
//   node shapes.mjs '{"port": 9461}'
//
//   GET  /admin/calls    every request: {"provider", "path", "method", "query", "form", "headers"}
//   POST /admin/profile  {"provider": NAME, "profile": {...}}: over what its profile API says
//   POST /admin/fail     {"provider": NAME}: the next code is refused in the provider's own words
//
// Settings: `client_id` and `client_secret`, the same for each of them; `access_token_ttl`, in seconds,
// of the one that gives refresh tokens.
import './loopback.mjs';
import crypto from 'node:crypto';
import http from 'node:http';

const settings = { client_id: 'app', client_secret: 'a secret', access_token_ttl: 604800, ...JSON.parse(process.argv[2]) };
const MOST = 10_000;
const calls = [];
const codes = new Map();
const profiles = new Map();
const failing = new Set();
const random = () => crypto.randomBytes(18).toString('base64url');
const base = (name) => `http://shapes.localhost:${settings.port}/${name}`;

/// A refusal: what is answered instead.
class No extends Error {
  constructor(status, body) {
    super(JSON.stringify(body));
    Object.assign(this, { status, body });
  }
}

/// The authorization endpoint of RFC 6749, section 4.1.1. `client` is the parameter that names the
/// client; `pkce` is `must`, `may`, or `unknown` where it is not mentioned; `back` is what comes back besides code and state.
const authorize = ({ client = 'client_id', pkce = 'may', separator = ' ', must = {}, back = () => ({}) } = {}) => ({ name, query }) => {
  const wrong = (what) => new No(400, `authorize: ${what}`);
  if (query[client] !== settings.client_id) throw wrong(`no ${client}`);
  if (query.response_type !== 'code') throw wrong('no response_type=code');
  if (pkce === 'must' && query.code_challenge_method !== 'S256') throw wrong('no S256');
  for (const [key, value] of Object.entries(must)) if (query[key] !== value) throw wrong(`${key} is not ${value}`);
  if (separator !== ' ' && query.scope?.includes(' ')) throw wrong('a space in the scope');
  const code = random();
  if (codes.size < MOST) codes.set(code, { name, redirect: query.redirect_uri, challenge: pkce === 'unknown' ? undefined : query.code_challenge });
  const to = new URL(query.redirect_uri);
  for (const [key, value] of Object.entries({ code, state: query.state, ...back() })) to.searchParams.set(key, value);
  return { status: 302, headers: { location: to.href } };
};

/// What is wrong with a token request, or nothing. `by` is where the credentials are: `basic`,
/// `post`, `either` of them, `none`.
function wrongWith({ name, headers, form, query, method }, { by: allowed = 'post', client = 'client_id', verb = 'POST' } = {}) {
  const by = allowed !== 'either' ? allowed : headers.authorization ? 'basic' : 'post';
  if (method !== verb) return 'method';
  const told = verb === 'GET' ? query : form;
  const basic = `Basic ${Buffer.from(`${settings.client_id}:${encodeURIComponent(settings.client_secret).replace(/%20/g, '+')}`).toString('base64')}`;
  if (by === 'basic' && headers.authorization !== basic) return 'client';
  if (by !== 'basic' && told[client] !== settings.client_id) return 'client';
  if (by === 'post' && told.client_secret !== settings.client_secret) return 'client';
  if (told.grant_type !== 'authorization_code' && name !== 'facebook') return 'grant_type';
  const grant = codes.get(told.code);
  codes.delete(told.code);
  if (failing.delete(name) || grant?.name !== name) return 'code';
  if (grant.redirect !== told.redirect_uri) return 'redirect_uri';
  const made = crypto.createHash('sha256').update(told.code_verifier ?? '').digest('base64url');
  if (grant.challenge && grant.challenge !== made) return 'code_verifier';
  return undefined;
}

/// The access token of a provider, which nothing else shows.
const tokenOf = (name) => `${name}.${crypto.createHmac('sha256', settings.client_secret).update(name).digest('base64url')}`;
const bearer = ({ name, headers }, scheme = 'Bearer') => headers.authorization === `${scheme} ${tokenOf(name)}`;
const said = (name, profile) => ({ ...profile, ...profiles.get(name) });

const providers = {
  // https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps
  // https://docs.github.com/en/apps/oauth-apps/maintaining-oauth-apps/troubleshooting-oauth-app-access-token-request-errors
  // https://docs.github.com/en/rest/users/users and /rest/users/emails
  github: {
    '/login/oauth/authorize': authorize(),
    '/login/oauth/access_token': (call) => {
      const wrong = wrongWith(call);
      if (wrong === 'method') throw new No(404, { error: 'Not Found' });
      // errors come with 200
      const error = { client: 'incorrect_client_credentials', redirect_uri: 'redirect_uri_mismatch' }[wrong] ?? 'bad_verification_code';
      const answer = wrong
        ? { error, error_description: 'The code passed is incorrect or expired.', error_uri: 'https://docs.github.com/' }
        : { access_token: tokenOf('github'), scope: 'read:user,user:email', token_type: 'bearer' };
      // and so does a form, unless JSON is asked for
      return call.headers.accept === 'application/json' ? answer : { type: 'application/x-www-form-urlencoded', text: `${new URLSearchParams(answer)}` };
    },
    '/user': (call) => {
      if (!call.headers['user-agent']) throw new No(403, 'Request forbidden by administrative rules.');
      if (!bearer(call)) throw new No(401, { message: 'Bad credentials', documentation_url: 'https://docs.github.com/rest', status: '401' });
      return said('github', { login: 'octocat', id: 583231, node_id: 'MDQ6VXNlcjU4MzIzMQ==', avatar_url: 'https://avatars.githubusercontent.com/u/583231?v=4', html_url: 'https://github.com/octocat', type: 'User', site_admin: false, name: 'The Octocat', company: '@github', email: null });
    },
    '/user/emails': (call) => {
      if (!bearer(call)) throw new No(401, { message: 'Bad credentials' });
      return profiles.get('github/emails') ?? [
        { email: 'octocat@users.noreply.github.com', primary: false, verified: true, visibility: null },
        { email: 'octocat@github.com', primary: true, verified: true, visibility: 'private' },
      ];
    },
  },
  // https://developers.facebook.com/docs/facebook-login/guides/advanced/manual-flow
  // https://developers.facebook.com/docs/graph-api/guides/secure-requests (appsecret_proof)
  facebook: {
    '/dialog/oauth': authorize({ separator: ',' }),
    '/oauth/access_token': (call) => {
      if (wrongWith(call, { verb: call.method })) throw new No(400, { error: { message: 'This authorization code has been used.', type: 'OAuthException', code: 100, error_subcode: 36009, fbtrace_id: 'AbC' } });
      return { access_token: tokenOf('facebook'), token_type: 'bearer', expires_in: 5183944 };
    },
    '/me': ({ name, query, headers }) => {
      const token = query.access_token ?? headers.authorization?.replace('Bearer ', '');
      const proof = crypto.createHmac('sha256', settings.client_secret).update(tokenOf(name)).digest('hex');
      if (token !== tokenOf(name)) throw new No(400, { error: { message: 'Invalid OAuth access token.', type: 'OAuthException', code: 190, fbtrace_id: 'AbC' } });
      if (query.appsecret_proof !== proof) throw new No(400, { error: { message: 'Invalid appsecret_proof provided in the API argument', type: 'GraphMethodException', code: 100, fbtrace_id: 'AbC' } });
      const all = said(name, { id: '10158', name: 'Open Graph', email: 'og@example.org', picture: { data: { height: 50, is_silhouette: false, url: 'https://scontent.example/p.jpg', width: 50 } } });
      // without `fields` there are but two
      return Object.fromEntries((query.fields ?? 'id,name').split(',').map((field) => [field, all[field]]));
    },
  },
  // https://docs.x.com/fundamentals/authentication/oauth-2-0/user-access-token
  // https://docs.x.com/x-api/users/get-my-user
  x: {
    '/i/oauth2/authorize': authorize({ pkce: 'must' }),
    '/2/oauth2/token': (call) => {
      if (wrongWith(call, { by: 'basic' })) throw new No(400, { error: 'invalid_request', error_description: 'Value passed for the authorization code was invalid.' });
      return { token_type: 'bearer', expires_in: 7200, access_token: tokenOf('x'), scope: 'users.read tweet.read' };
    },
    '/2/users/me': (call) => {
      if (!bearer(call)) throw new No(401, { title: 'Unauthorized', type: 'about:blank', status: 401, detail: 'Unauthorized' });
      const picture = call.query['user.fields']?.includes('profile_image_url') ? { profile_image_url: 'https://pbs.twimg.com/p.jpg' } : {};
      return { data: said('x', { id: '2244994945', name: 'X Dev', username: 'XDevelopers', ...picture }) };
    },
  },
  // https://developer.amazon.com/docs/login-with-amazon/authorization-code-grant.html
  // https://developer.amazon.com/docs/login-with-amazon/obtain-customer-profile.html
  amazon: {
    '/ap/oa': authorize(),
    '/auth/o2/token': (call) => {
      if (wrongWith(call)) throw new No(400, { error: 'invalid_grant', error_description: 'The authorization grant is invalid.' });
      return { access_token: tokenOf('amazon'), token_type: 'bearer', expires_in: 3600, refresh_token: 'Atzr|x' };
    },
    '/user/profile': (call) => {
      if (!bearer(call)) throw new No(400, { error: 'invalid_token', error_description: 'The request has an invalid parameter: access_token' });
      return said('amazon', { user_id: 'amzn1.account.K2LI23KL2LK2', email: 'mhashimoto@example.org', name: 'Mork Hashimoto', postal_code: '98052' });
    },
  },
  // https://www.dropbox.com/developers/documentation/http/documentation#users-get_current_account
  // https://developers.dropbox.com/oauth-guide
  dropbox: {
    '/oauth2/authorize': authorize(),
    '/oauth2/token': (call) => {
      if (wrongWith(call, { by: 'either' })) throw new No(400, { error: 'invalid_grant', error_description: "code doesn't exist or has expired" });
      return { access_token: tokenOf('dropbox'), expires_in: 14399, token_type: 'bearer', scope: 'account_info.read', account_id: 'dbid:AAH4f99T0taONIb-OurWxbNQ6ywGRopQngc', uid: '10088' };
    },
    '/2/users/get_current_account': (call) => {
      if (call.method !== 'POST') throw new No(405, 'method not allowed');
      // a function without arguments takes no body, or the JSON `null`
      if (call.text !== '' && call.text !== 'null') throw new No(400, 'request body: could not decode input as JSON');
      if (call.text === '' && call.headers['content-type']) throw new No(400, `Bad HTTP "Content-Type" header: "${call.headers['content-type']}"`);
      if (!bearer(call)) throw new No(401, { error_summary: 'invalid_access_token/', error: { '.tag': 'invalid_access_token' } });
      return said('dropbox', { account_id: 'dbid:AAH4f99T0taONIb-OurWxbNQ6ywGRopQngc', name: { given_name: 'Franz', surname: 'Ferdinand', familiar_name: 'Franz', display_name: 'Franz Ferdinand (Personal)', abbreviated_name: 'FF' }, email: 'franz@example.org', email_verified: true, disabled: false, locale: 'en', is_paired: false });
    },
  },
  // https://id.vk.com/about/business/go/docs/en/vkid/latest/vk-id/connection/api-integration/api-description
  vk: {
    '/authorize': authorize({ pkce: 'must', back: () => ({ type: 'code_v2', device_id: 'device-7', expires_in: '600' }) }),
    '/oauth2/auth': (call) => {
      const { form } = call;
      const wrong = wrongWith(call, { by: 'none' });
      if (!wrong && (form.device_id !== 'device-7' || !form.state)) throw new No(400, { error: 'invalid_request', error_description: 'device_id or state is missing' });
      if (wrong) throw new No(400, { error: 'invalid_grant', error_description: 'code is invalid', state: form.state });
      return { refresh_token: 'r', access_token: tokenOf('vk'), id_token: 'x.y.z', token_type: 'Bearer', expires_in: 3600, user_id: 1234567890, state: form.state, scope: 'vkid.personal_info email' };
    },
    '/oauth2/user_info': (call) => {
      const { form, method } = call;
      if (method !== 'POST' || form.access_token !== tokenOf('vk') || form.client_id !== settings.client_id) throw new No(400, { error: 'invalid_request', error_description: 'access_token is missing or invalid' });
      return { user: said('vk', { user_id: '1234567890', first_name: 'Ivan', last_name: 'I.', phone: '79991234567', avatar: 'https://pp.userapi.com/p.jpg', email: 'ivan@example.org', sex: 2, verified: false, birthday: '01.01.2000' }) };
    },
  },
  // https://open.weibo.com/wiki/Oauth2/access_token
  // https://open.weibo.com/wiki/2/users/show
  weibo: {
    '/oauth2/authorize': authorize({ pkce: 'unknown' }),
    '/oauth2/access_token': (call) => {
      if (wrongWith(call)) throw new No(400, { error: 'invalid_grant', error_code: 21325, request: '/oauth2/access_token', error_uri: '/oauth2/access_token', error_description: 'invalid authorization code' });
      // no token_type, and who it is
      return { access_token: tokenOf('weibo'), remind_in: '157679999', expires_in: 157679999, uid: '1404376560', isRealName: 'true' };
    },
    '/2/users/show.json': ({ query }) => {
      if (query.access_token !== tokenOf('weibo')) throw new No(403, { error: 'invalid_access_token', error_code: 21332, request: '/2/users/show.json' });
      if (query.uid !== '1404376560') throw new No(400, { error: 'User does not exists!', error_code: 20003, request: '/2/users/show.json' });
      return said('weibo', { id: 1404376560, idstr: '1404376560', screen_name: 'zaku', name: 'zaku', location: '北京 朝阳区', avatar_large: 'https://tvax1.sinaimg.cn/p.jpg', verified: false });
    },
  },
  // https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/online-access-tokens
  shopify: {
    '/admin/oauth/authorize': authorize({ pkce: 'unknown', separator: ',', must: { 'grant_options[]': 'per-user' } }),
    '/admin/oauth/access_token': (call) => {
      if (wrongWith(call)) throw new No(400, { error: 'invalid_request', error_description: 'The authorization code was not found or was already used' });
      // no token_type, and who it is
      return { access_token: tokenOf('shopify'), scope: 'read_products', expires_in: 86399, associated_user_scope: 'read_products', associated_user: { id: 902541635, first_name: 'John', last_name: 'Smith', email: 'john@example.org', email_verified: true, account_owner: true, locale: 'en', collaborator: false } };
    },
  },
  // https://docs.slack.dev/authentication/sign-in-with-slack/
  // https://docs.slack.dev/reference/methods/openid.connect.token and .userInfo
  slack: {
    '/openid/connect/authorize': authorize(),
    '/api/openid.connect.token': (call) => {
      // errors come with 200
      if (wrongWith(call)) return { ok: false, error: 'invalid_code' };
      return { ok: true, access_token: tokenOf('slack'), token_type: 'Bearer', id_token: 'x.y.z', state: '' };
    },
    '/api/openid.connect.userInfo': (call) => {
      if (!bearer(call)) return { ok: false, error: 'invalid_auth' };
      return said('slack', { ok: true, sub: 'U0R7JM', 'https://slack.com/user_id': 'U0R7JM', 'https://slack.com/team_id': 'T0R7GR', email: 'krane@example.org', email_verified: true, date_email_verified: 1622128723, name: 'krane', picture: 'https://secure.gravatar.com/p.png', given_name: 'Bront', family_name: 'Labradoodle', locale: 'en-US', 'https://slack.com/team_name': 'kraneflannel' });
    },
  },
  // https://docs.discord.com/developers/topics/oauth2#authorization-code-grant
  // https://docs.discord.com/developers/resources/user#user-object
  discord: {
    '/oauth2/authorize': authorize(),
    // as it was documented before, and still is taken
    '/api/oauth2/authorize': authorize(),
    '/api/oauth2/token': (call) => {
      const refreshes = call.form.grant_type === 'refresh_token' && call.form.refresh_token === 'D43f5y0ahjqew82jZ4NViEr2YafMKhue';
      if (refreshes ? failing.delete('discord') : wrongWith(call, { by: 'either' })) throw new No(400, { error: 'invalid_grant', error_description: 'Invalid "code" in request.' });
      return { access_token: tokenOf('discord'), token_type: 'Bearer', expires_in: settings.access_token_ttl, refresh_token: 'D43f5y0ahjqew82jZ4NViEr2YafMKhue', scope: 'identify email' };
    },
    '/api/users/@me': (call) => {
      if (!bearer(call)) throw new No(401, { message: '401: Unauthorized', code: 0 });
      return said('discord', { id: '80351110224678912', username: 'nelly', global_name: 'Nelly', discriminator: '0', avatar: '8342729096ea3675442027381ff50dfe', verified: true, email: 'nelly@example.org', flags: 64, premium_type: 1, locale: 'en-US' });
    },
  },
  // https://dev.twitch.tv/docs/authentication/getting-tokens-oauth/#authorization-code-grant-flow
  // https://dev.twitch.tv/docs/api/reference/#get-users
  twitch: {
    '/oauth2/authorize': authorize(),
    '/oauth2/token': (call) => {
      // not the error response of RFC 6749
      if (wrongWith(call)) throw new No(400, { status: 400, message: 'Invalid authorization code' });
      return { access_token: tokenOf('twitch'), expires_in: 14124, refresh_token: '5b93', scope: ['user:read:email'], token_type: 'bearer' };
    },
    '/helix/users': (call) => {
      if (!bearer(call) || call.headers['client-id'] !== settings.client_id) throw new No(401, { error: 'Unauthorized', status: 401, message: 'Client ID is missing' });
      return { data: [said('twitch', { id: '141981764', login: 'twitchdev', display_name: 'TwitchDev', type: '', broadcaster_type: 'partner', description: '', profile_image_url: 'https://static-cdn.jtvnw.net/p.png', offline_image_url: '', view_count: 5980557, email: 'not-real@example.org', created_at: '2016-12-14T20:32:28Z' })] };
    },
  },
  // https://developers.weixin.qq.com/doc/oplatform/en/Website_App/WeChat_Login/Wechat_Login.html
  wechat: {
    '/connect/qrconnect': authorize({ client: 'appid', pkce: 'unknown' }),
    '/sns/oauth2/access_token': (call) => {
      const { appid, secret, code, grant_type } = call.query;
      const known = codes.get(code)?.name === 'wechat' && codes.delete(code) && !failing.delete('wechat');
      // errors come with 200, and JSON as plain text
      const answer = appid === settings.client_id && secret === settings.client_secret && grant_type === 'authorization_code' && known
        ? { access_token: tokenOf('wechat'), expires_in: 7200, refresh_token: 'r', openid: 'oLVPpjqs9BhvzwPj5A-vTYAX3GLc', scope: 'snsapi_login', unionid: 'o6_bmasdasdsad6_2sgVt7hMZOPfL' }
        : { errcode: 40029, errmsg: 'invalid code' };
      return { type: 'text/plain', text: JSON.stringify(answer) };
    },
    '/sns/userinfo': ({ query }) => {
      if (query.access_token !== tokenOf('wechat') || query.openid !== 'oLVPpjqs9BhvzwPj5A-vTYAX3GLc') return { errcode: 40003, errmsg: 'invalid openid' };
      return said('wechat', { openid: query.openid, nickname: 'Band', sex: 1, province: 'Guangdong', city: 'Guangzhou', country: 'CN', headimgurl: 'https://thirdwx.qlogo.cn/p/0', privilege: [], unionid: 'o6_bmasdasdsad6_2sgVt7hMZOPfL' });
    },
  },
  // https://developers.tiktok.com/doc/login-kit-web
  // https://developers.tiktok.com/doc/oauth-user-access-token-management
  // https://developers.tiktok.com/doc/tiktok-api-v2-get-user-info
  tiktok: {
    '/v2/auth/authorize': authorize({ client: 'client_key', pkce: 'unknown', separator: ',', back: () => ({ scopes: 'user.info.basic' }) }),
    '/v2/oauth/token/': (call) => {
      const wrong = wrongWith(call, { client: 'client_key' }) ?? (call.form.client_id ? 'client_id' : undefined);
      if (wrong) throw new No(wrong === 'code' ? 200 : 400, { error: wrong === 'code' ? 'invalid_grant' : 'invalid_request', error_description: 'The request parameters are malformed.', log_id: '202206221854370101130062072500FFA2' });
      return { access_token: tokenOf('tiktok'), expires_in: 86400, open_id: 'afd97af1-b87b-48b9-ac98-410aghda5344', refresh_expires_in: 31536000, refresh_token: 'rft.x', scope: 'user.info.basic', token_type: 'Bearer' };
    },
    '/v2/user/info/': (call) => {
      const error = (status, code) => new No(status, { data: {}, error: { code, message: 'no', log_id: '2022' } });
      if (!bearer(call)) throw error(401, 'access_token_invalid');
      if (!call.query.fields) throw error(400, 'invalid_params');
      return { data: { user: said('tiktok', { avatar_url: 'https://p19-sign.tiktokcdn-us.com/p.jpeg', open_id: 'afd97af1-b87b-48b9-ac98-410aghda5344', union_id: 'c9c60f44-a68e-4f5d-84dd-ce22faeb0ba1', display_name: 'Tik Toker' }) }, error: { code: 'ok', message: '', log_id: '2022' } };
    },
  },
};

const admin = {
  '/admin/calls': () => calls,
  '/admin/profile': ({ provider, profile }) => { profiles.set(provider, profile); return {}; },
  '/admin/fail': ({ provider }) => { failing.add(provider); return {}; },
};

async function textOf(request) {
  let text = '';
  for await (const chunk of request) {
    text += chunk;
    if (text.length > 1 << 20) throw new No(413, 'too much');
  }
  return text;
}

async function answer(request) {
  const url = new URL(request.url, base(''));
  const text = await textOf(request);
  if (admin[url.pathname]) return admin[url.pathname](text ? JSON.parse(text) : {});
  const [, name] = url.pathname.split('/');
  // Facebook's have a version in front; TikTok's authorization endpoint is written in both ways
  const path = url.pathname.slice(name.length + 1).replace(/^\/v\d+\.\d+\//, '/').replace(/(authorize)\/$/, '$1');
  const isForm = request.headers['content-type'] === 'application/x-www-form-urlencoded';
  const call = {
    name,
    path,
    method: request.method,
    headers: request.headers,
    text,
    query: Object.fromEntries(url.searchParams),
    form: isForm ? Object.fromEntries(new URLSearchParams(text)) : {},
  };
  if (calls.length < MOST) calls.push({ provider: name, path, method: call.method, query: call.query, form: call.form, headers: call.headers });
  const endpoint = providers[name]?.[path];
  if (!endpoint) throw new No(404, { message: 'Not Found' });
  return endpoint(call);
}

http
  .createServer(async (request, response) => {
    const send = (status, headers, body) => response.writeHead(status, headers).end(body);
    const json = (status, body) => send(status, { 'content-type': 'application/json; charset=utf-8' }, JSON.stringify(body));
    try {
      const made = await answer(request);
      if (made.text) send(200, { 'content-type': `${made.type}; charset=utf-8` }, made.text);
      else if (made.headers) send(made.status, made.headers);
      else json(200, made);
    } catch (error) {
      if (error instanceof No && typeof error.body === 'string') send(error.status, { 'content-type': 'text/plain; charset=utf-8' }, error.body);
      else if (error instanceof No) json(error.status, error.body);
      else json(500, { message: String(error) });
    }
  })
  .listen(settings.port, '127.0.0.1');
