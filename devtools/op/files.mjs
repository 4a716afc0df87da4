// People and clients: from JSON files, read anew when they change, and added to by tests.
import { readFileSync, statSync } from 'node:fs';

class Listing {
  #file; #read = 0; #fromFile = []; #added = [];

  constructor(file) {
    this.#file = file;
  }

  /** Later entries win; `changed` counts versions, so that whoever caches knows when to look again. */
  all() {
    const changed = this.#file ? statSync(this.#file).mtimeMs : 0;
    if (changed !== this.#read) {
      this.#fromFile = JSON.parse(readFileSync(this.#file, 'utf8'));
      this.#read = changed;
    }
    return [...this.#fromFile, ...this.#added];
  }

  get version() {
    this.all();
    return `${this.#read}/${this.#added.length}`;
  }

  add(entry) {
    this.#added.push(entry);
  }
}

export class People extends Listing {
  byLogin(login) {
    return this.all().findLast((person) => person.login === login);
  }

  bySub(sub) {
    return this.all().findLast((person) => person.sub === sub);
  }

  /** What userinfo says: all but what only the sign-in page needs. */
  claims(sub) {
    const person = this.bySub(sub);
    if (!person) return undefined;
    const { login, note, ...claims } = person;
    return { voperson_id: sub, email_verified: true, preferred_username: login, eduperson_entitlement: [], entitlements: [], ...claims };
  }
}

export class Clients extends Listing {
  find(clientId) {
    return this.all().findLast((client) => client.client_id === clientId);
  }
}
