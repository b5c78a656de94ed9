// A transmitter of security events: it publishes its metadata and its keys, and posts the tokens that a test describes. By itself it is correct.

import { randomUUID } from 'node:crypto';
import http from 'node:http';
import { Visitor } from './client.mjs';
import { answer, makeKey, now, sign } from './misbehaving.mjs';
import { closeServer, listen } from './process.mjs';

/** The URIs of events, by their names. */
const FAMILIES = {
  caep: ['session-revoked', 'credential-change', 'token-claims-change'],
  risc: ['account-disabled', 'account-purged', 'credential-compromise', 'account-credential-change-required', 'sessions-revoked'],
  oauth: ['tokens-revoked'],
  ssf: ['verification'],
};
function uriOf(event) {
  const [family] = Object.entries(FAMILIES).find(([, names]) => names.includes(event));
  return `https://schemas.openid.net/secevent/${family}/event-type/${event}`;
}

export class Transmitter {
  /** `issuer`: as in its tokens, for a transmitter at this address; `audience`: its name for the gateway. */
  static async start({ issuer = (address) => address, audience = 'accredit-demo' } = {}) {
    const transmitter = new Transmitter();
    transmitter.audience = audience;
    transmitter.key = await makeKey('RS256', 'events-1');
    transmitter.keys = [transmitter.key];
    transmitter.asked = [];
    transmitter.server = http.createServer((request, response) => transmitter.#receive(request, response));
    transmitter.port = await listen(transmitter.server, 0);
    transmitter.address = `http://127.0.0.1:${transmitter.port}`;
    transmitter.issuer = issuer(transmitter.address);
    return transmitter;
  }

  #receive(request, response) {
    this.asked.push(request.url);
    if (/^\/\.well-known\/(ssf|risc)-configuration$/.test(request.url))
      return answer(response, 200, {
        issuer: this.issuer,
        jwks_uri: `${this.address}/keys`,
        delivery_methods_supported: ['urn:ietf:rfc:8935'],
      });
    if (request.url === '/keys') return answer(response, 200, { keys: this.keys.map(({ published }) => published) });
    return answer(response, 404, { error: 'not_found' });
  }

  /** A token in the form of the Shared Signals Framework 1.0: about this subject, with further members of the event, of the claims, and of the header. */
  token(event, subject, { payload = {}, claims = {}, header = {}, key = this.key } = {}) {
    const truth = { iss: this.issuer, aud: this.audience, iat: now(), jti: randomUUID(), sub_id: subject, events: { [uriOf(event)]: payload } };
    return sign({ ...truth, ...claims }, { alg: key.algorithm, kid: key.kid, typ: 'secevent+jwt', ...header }, key);
  }

  /** A token in the form in which Google sends it (developers.google.com/identity/protocols/risc): without typ, the subject inside the event. */
  asGoogle(event, subject, reason = 'hijacking') {
    const events = { [uriOf(event)]: { subject: { subject_type: 'iss-sub', ...subject }, reason } };
    return this.token(event, undefined, { claims: { events }, header: { typ: undefined } });
  }

  /** Posts a token to a gateway, as RFC 8935, section 2.1, says. */
  async push(gateway, path, token, headers = {}) {
    const options = { method: 'POST', headers: { 'content-type': 'application/secevent+jwt', accept: 'application/json', ...headers }, body: token };
    return new Visitor(gateway).send(path, options);
  }

  stop() {
    return closeServer(this.server);
  }
}
