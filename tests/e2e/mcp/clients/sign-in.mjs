// What a program with one of the SDKs for JavaScript has to bring for signing in: where to keep the registration and the tokens (here in memory), how to show
// an address to a person, and an HTTP listener on the loopback interface that gets the code.

import { randomUUID } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import http from 'node:http';

export class SignIn {
  #kept = {};
  #callback;

  /** `port` is the listener's. `registered` is a client that the authorization server knows already: {client_id, …}; `described` the address of its metadata. */
  constructor({ port, registered, described }) {
    this.redirectUrl = `http://127.0.0.1:${port}/callback`;
    this.clientMetadata = {
      client_name: 'a client of the tests',
      redirect_uris: [this.redirectUrl],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    };
    this.clientMetadataUrl = described;
    this.#kept.client = registered;
    http.createServer((request, response) => this.#arrive(new URL(request.url, this.redirectUrl), response)).listen(port, '127.0.0.1');
  }

  #arrive(url, response) {
    response.end('You can close this page.');
    if (url.pathname === '/callback') this.#callback?.(url.searchParams);
  }

  /** Does `work`. When that ends because a person must sign in, waits for the code, has it exchanged by `finish`, and does `work` again; after two sign-ins, no more. */
  async during(work, finish) {
    for (let signIns = 0; ; signIns += 1) {
      this.arrived = new Promise((resolve) => (this.#callback = resolve));
      this.asked = false;
      try {
        return await work();
      } catch (error) {
        if (!this.asked || signIns === 2) throw error;
      }
      const parameters = await this.arrived;
      if (parameters.get('state') !== this.#kept.state) throw new Error('the state is of another sign-in');
      if (parameters.has('error')) throw new Error(`the sign-in failed: ${parameters.get('error')}`);
      await finish(parameters);
    }
  }

  state() {
    return (this.#kept.state = randomUUID());
  }

  redirectToAuthorization(url) {
    this.asked = true;
    appendFileSync(process.env.MCP_VISITS, `${url}\n`);
  }

  clientInformation = () => this.#kept.client;
  saveClientInformation = (client) => void (this.#kept.client = client);
  tokens = () => this.#kept.tokens;
  saveTokens = (tokens) => void (this.#kept.tokens = tokens);
  codeVerifier = () => this.#kept.verifier;
  saveCodeVerifier = (verifier) => void (this.#kept.verifier = verifier);
  discoveryState = () => this.#kept.discovery;
  saveDiscoveryState = (discovery) => void (this.#kept.discovery = discovery);
  storedState = () => this.#kept.state;
  saveState = (state) => void (this.#kept.state = state);

  invalidateCredentials(what) {
    if (what === 'all' || what === 'tokens') this.#kept.tokens = undefined;
    if (what === 'all' || what === 'client') this.#kept.client = undefined;
    if (what === 'all' || what === 'discovery') this.#kept.discovery = undefined;
  }
}
