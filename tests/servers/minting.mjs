// Tokens as no library would make them: every part of a JWS and a JWE in the hands of the caller.
import crypto from 'node:crypto';
import zlib from 'node:zlib';

export const base64url = (data) => Buffer.from(data).toString('base64url');

const rsa = (bits) => crypto.generateKeyPairSync('rsa', { modulusLength: bits });
const ec = (namedCurve) => crypto.generateKeyPairSync('ec', { namedCurve });

/// A key pair with the JWK that a JWKS would have of it.
export function makeKey(alg, kid, more = {}, bits = 2048) {
  const pair = alg.startsWith('ES') ? ec({ ES256: 'P-256', ES384: 'P-384' }[alg]) : rsa(bits);
  return { ...pair, alg, kid, jwk: { ...pair.publicKey.export({ format: 'jwk' }), alg, kid, use: 'sig', ...more } };
}

/// The signature of one algorithm (RFC 7518, section 3), made with a private key or a secret.
export function signature(alg, input, key) {
  const data = Buffer.from(input);
  switch (alg) {
    case 'RS256':
      return crypto.sign('sha256', data, key);
    case 'PS256':
      return crypto.sign('sha256', data, { key, padding: crypto.constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 });
    case 'ES256':
      return crypto.sign('sha256', data, { key, dsaEncoding: 'ieee-p1363' });
    case 'ES384':
      return crypto.sign('sha384', data, { key, dsaEncoding: 'ieee-p1363' });
    case 'HS256':
      return crypto.createHmac('sha256', key).update(data).digest();
    default:
      return Buffer.alloc(0);
  }
}

/// What a signature by RS256 becomes under a public exponent of one: itself (RFC 8017, section 9.2).
export function padded(_alg, input) {
  const info = Buffer.from('3031300d060960864801650304020105000420', 'hex');
  const digest = Buffer.concat([info, crypto.createHash('sha256').update(input).digest()]);
  return Buffer.concat([Buffer.from([0, 1]), Buffer.alloc(256 - 3 - digest.length, 0xff), Buffer.from([0]), digest]);
}

/// A compact JWS (RFC 7515, section 7.1) over a payload that is taken as it is.
export function jws(header, payload, key, sign = signature) {
  const input = `${base64url(JSON.stringify(header))}.${base64url(payload)}`;
  return `${input}.${base64url(sign(header.alg, input, key))}`;
}

/// How the content key gets to the client, by `alg` (RFC 7518, section 4).
function wrap(header, contentKey, key) {
  switch (header.alg) {
    case 'RSA-OAEP-256':
      return crypto.publicEncrypt({ key, oaepHash: 'sha256', padding: crypto.constants.RSA_PKCS1_OAEP_PADDING }, contentKey);
    case 'RSA1_5':
      return crypto.publicEncrypt({ key, padding: crypto.constants.RSA_PKCS1_PADDING }, contentKey);
    case 'PBES2-HS256+A128KW': {
      const salt = Buffer.concat([Buffer.from(`${header.alg}\0`), Buffer.from(header.p2s, 'base64url')]);
      // the honest client never gets as far as asking for so many rounds
      const derived = crypto.pbkdf2Sync(key, salt, Math.min(header.p2c, 1000), 16, 'sha256');
      const cipher = crypto.createCipheriv('id-aes128-wrap', derived, Buffer.alloc(8, 0xa6));
      return Buffer.concat([cipher.update(contentKey), cipher.final()]);
    }
    default:
      throw new Error(`no such alg here: ${header.alg}`);
  }
}

/// A compact JWE with A256GCM (RFC 7516, section 7.1) for a public key or a password.
export function jwe(header, plaintext, key) {
  const contentKey = crypto.randomBytes(32);
  const iv = crypto.randomBytes(12);
  const protectedHeader = base64url(JSON.stringify({ enc: 'A256GCM', ...header }));
  const encryptedKey = wrap(header, contentKey, key);
  const cipher = crypto.createCipheriv('aes-256-gcm', contentKey, iv);
  cipher.setAAD(Buffer.from(protectedHeader));
  const content = header.zip === 'DEF' ? zlib.deflateRawSync(plaintext) : Buffer.from(plaintext);
  const sealed = Buffer.concat([cipher.update(content), cipher.final()]);
  return [protectedHeader, base64url(encryptedKey), base64url(iv), base64url(sealed), base64url(cipher.getAuthTag())].join('.');
}

/// `at_hash` (OpenID Connect Core, section 3.1.3.6) for the algorithms with SHA-256.
export const atHash = (token) => base64url(crypto.createHash('sha256').update(token).digest().subarray(0, 16));
