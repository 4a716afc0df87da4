// Signing keys: made once, kept in a file so that a restart leaves tokens valid, rotated on demand.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import * as jose from 'jose';

const KEPT = 2; // the current key and the one before it, as providers do during a rotation

export function newKey() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256', kid: randomUUID().slice(0, 8) };
}

const publicPart = ({ kty, n, e, kid, alg, use }) => ({ kty, n, e, kid, alg, use });

export class KeyRing {
  constructor(file) {
    this.file = file;
    this.keys = file && existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : [newKey()];
    this.#save();
  }

  get current() {
    return this.keys[0];
  }

  rotate() {
    this.keys = [newKey(), ...this.keys].slice(0, KEPT);
    this.#save();
  }

  async verify(token, issuer) {
    const known = jose.createLocalJWKSet({ keys: this.keys.map(publicPart) });
    const { payload } = await jose.jwtVerify(token, known, { issuer });
    return payload;
  }

  #save() {
    if (this.file) writeFileSync(this.file, JSON.stringify(this.keys), { mode: 0o600 });
  }
}
