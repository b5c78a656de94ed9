// A person with a browser: visits the address that a client shows, signs in and says yes at the authorization server, and lands on the client's own
// address.

import { USERS } from '../../../../deploy/demo/provider.mjs';
import { Visitor } from '../client.mjs';
import { eventually } from '../process.mjs';

export class Person {
  /** The authorization requests that clients sent, in order, by their parameters. */
  asked = [];

  /** `login` is one of the authorization server's users. */
  constructor(login, { issuer }) {
    this.login = login;
    this.visitor = new Visitor({ origin: issuer });
  }

  /** Goes from an authorization request to the client's address, which gets a code. */
  async visit(address) {
    const parameters = new URL(address).searchParams;
    this.asked.push(Object.fromEntries(parameters));
    const callback = new URL(parameters.get('redirect_uri'));
    const isCallback = (url) => url.origin === callback.origin && url.pathname === callback.pathname;
    const until = { until: isCallback };
    let page = await this.visitor.follow(await this.visitor.open(address), until);
    for (let forms = 0; !page.location && forms < 3; forms += 1) page = await this.visitor.follow(await this.#fillIn(page), until);
    if (!page.location) throw new Error(`the sign-in ended at ${page.url} with ${page.status}:\n${page.body.slice(-600)}`);
    // A client may begin to listen only after it has shown the address.
    await eventually(`the client listens at ${callback}`, () => this.visitor.open(page.location.href));
  }

  /** Signs out at the authorization server. */
  async signOut() {
    const page = await this.visitor.open('/session/end');
    const last = await this.visitor.follow(await this.visitor.submit(page, { logout: 'yes' }));
    if (last.status !== 200) throw new Error(`the sign-out ended at ${last.url} with ${last.status}`);
  }

  #fillIn(page) {
    if (page.status !== 200) throw new Error(`${page.url} answers ${page.status}:\n${page.body.slice(-600)}`);
    if (page.body.includes('name="password"')) return this.visitor.submit(page, { login: this.login, password: USERS[this.login].password, action: 'login' });
    return this.visitor.submit(page, { answer: 'yes' });
  }
}
