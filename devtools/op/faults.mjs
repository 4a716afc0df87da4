// Faults on demand, with really signed tokens, so that a login can be tested against a provider gone wrong.
//
// POST /_admin/fault {"endpoint": "token", "kind": "expired", "times": 1}; without "times" until cleared.
// DELETE /_admin/fault clears all. Endpoints: discovery, or a name from `routes`.
import * as jose from 'jose';
import { newKey } from './keys.mjs';
import { routes, settings } from './settings.mjs';

const now = () => Math.floor(Date.now() / 1000);
const unsigned = (payload) => `${jose.base64url.encode('{"alg":"none","typ":"JWT"}')}.${jose.base64url.encode(JSON.stringify(payload))}.`;
const rs256 = (payload, key, header = {}) => new jose.SignJWT(payload).setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid: key.kid, ...header }).sign(key);
const hs256 = (payload, secret, kid) => new jose.SignJWT(payload).setProtectedHeader({ alg: 'HS256', typ: 'JWT', kid }).sign(new TextEncoder().encode(secret));

/** Signs any payload as asked, also as it must never be accepted. */
export async function mint({ payload, alg = 'RS256', key = 'current', kid, secret }, keys) {
  const filled = { iss: settings.issuer, aud: settings.audience, iat: now(), exp: now() + settings.tokenSeconds, ...payload };
  for (const [name, value] of Object.entries(filled)) if (value === null) delete filled[name];
  if (alg === 'none') return unsigned(filled);
  // The classic confusion: the public key, which everybody has, taken for the shared secret.
  if (alg === 'HS256') return hs256(filled, secret ?? jose.base64url.encode(keys.current.n), kid ?? keys.current.kid);
  const signer = key === 'foreign' ? { ...newKey(), kid: keys.current.kid } : keys.current;
  return rs256(filled, signer, kid === undefined ? {} : { kid: kid ?? undefined });
}

// What becomes of the id token: a change to its claims, or to how it is signed.
const ID_TOKEN = {
  wrong_audience: { payload: { aud: 'somebody-else' } },
  wrong_issuer: { payload: { iss: 'https://issuer.example.org' } },
  wrong_nonce: { payload: { nonce: 'another-nonce' } },
  no_nonce: { payload: { nonce: null } },
  wrong_subject: { payload: { sub: 'somebody-else@egi.eu' } },
  no_subject: { payload: { sub: null } },
  wrong_azp: { payload: { azp: 'somebody-else' } },
  expired: { payload: { iat: 1_600_000_000, exp: 1_600_003_600 } },
  future: { payload: { iat: 4_000_000_000, nbf: 4_000_000_000, exp: 4_000_003_600 } },
  no_expiry: { payload: { exp: null } },
  alg_none: { alg: 'none' },
  alg_hs256: { alg: 'HS256' },
  foreign_key: { key: 'foreign' },
  unknown_kid: { kid: 'unknown' },
  no_kid: { kid: null },
};

const BODIES = { not_json: '<html>Bad gateway</html>', empty: '', wrong_json: '[]', empty_object: '{}' };

async function spoil(body, { kind, set }, keys) {
  const answer = JSON.parse(body);
  if (kind === 'no_id_token') delete answer.id_token;
  else if (kind === 'garbled_id_token') answer.id_token = 'not.a.token';
  else if (kind === 'claims') Object.assign(answer, set);
  else {
    const { payload, ...rest } = ID_TOKEN[kind];
    answer.id_token = await mint({ ...rest, payload: { ...jose.decodeJwt(answer.id_token), ...payload } }, keys);
  }
  return JSON.stringify(answer);
}

/** Holds back what the provider writes, and sends a spoilt version of a successful answer. */
function spoilAnswer(response, fault, keys) {
  const chunks = [];
  const end = response.end.bind(response);
  response.write = (chunk) => chunks.push(Buffer.from(chunk));
  response.end = async (chunk) => {
    if (chunk) chunks.push(Buffer.from(chunk));
    const body = Buffer.concat(chunks).toString();
    const changed = response.statusCode === 200 ? await spoil(body, fault, keys) : body;
    if (!response.headersSent) response.setHeader('content-length', Buffer.byteLength(changed));
    end(changed);
  };
}

export class Faults {
  #active = new Map();

  set(fault) {
    const endpoints = ['discovery', ...Object.keys(routes)];
    const kinds = ['status', 'hang', 'close', 'claims', 'no_id_token', 'garbled_id_token', ...Object.keys(BODIES), ...Object.keys(ID_TOKEN)];
    if (!endpoints.includes(fault.endpoint)) throw new Error(`endpoint must be one of ${endpoints}`);
    if (!kinds.includes(fault.kind)) throw new Error(`kind must be one of ${kinds}`);
    this.#active.set(fault.endpoint, { times: Infinity, ...fault });
  }

  clear() {
    this.#active.clear();
  }

  /** Applies what is set for this path; true when nothing is left to answer. */
  apply(path, response, keys) {
    const name = path === '/.well-known/openid-configuration' ? 'discovery' : Object.keys(routes).find((key) => routes[key] === path);
    const fault = this.#active.get(name);
    if (!fault) return false;
    fault.times -= 1;
    if (fault.times <= 0) this.#active.delete(name);
    if (fault.kind === 'hang') return true;
    if (fault.kind === 'close') return response.destroy(), true;
    if (fault.kind === 'status') return response.writeHead(fault.status ?? 500).end(fault.body ?? 'fault'), true;
    if (fault.kind in BODIES) return response.writeHead(200, { 'content-type': 'application/json' }).end(BODIES[fault.kind]), true;
    spoilAnswer(response, fault, keys);
    return false;
  }
}
